"""Results in the formats of other tools: AnnData, GeoJSON, OME-Zarr, tables with names."""
