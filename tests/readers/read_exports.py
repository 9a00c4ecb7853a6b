"""Read exported files with the packages that other people use; runs in the environment of envs/readers.txt.

Writes what was found as JSON to standard output. Run: python read_exports.py FOLDER
"""

import json
import sys
import warnings
import zipfile
from pathlib import Path

import anndata
import ome_zarr.io
import ome_zarr.reader
import roifile
import scanpy
import shapely.geometry


def main(folder: Path) -> dict:
    with warnings.catch_warnings():
        # A warning here would be one about the format of the file.
        warnings.simplefilter("error")
        data = anndata.read_h5ad(folder / "test.h5ad")
        part = anndata.read_h5ad(folder / "test.h5ad", backed="r")[2:5].to_memory()
    return {
        "anndata": read_anndata(data),
        "backed": part.X.tolist(),
        "components": list(components(data)),
        "geojson": {path.stem: read_geojson(path) for path in sorted((folder / "geojson").iterdir())},
        "imagej": {path.stem: read_imagej(path) for path in sorted((folder / "imagej").iterdir())},
        "ome_zarr": {path.name: read_ome_zarr(path) for path in sorted((folder / "ome_zarr").iterdir())},
    }


def read_anndata(data: anndata.AnnData) -> dict:
    return {
        "X": data.X.tolist(),
        "var": data.var_names.tolist(),
        "names": data.obs_names.tolist(),
        "obs": {name: data.obs[name].astype(str).tolist() for name in data.obs},
        "categorical": [name for name in data.obs if data.obs[name].dtype == "category"],
        "obsm": {name: list(data.obsm[name].shape) for name in data.obsm},
        "embeddings": data.obsm["X_lite0.pupil"].tolist(),
        "layers": {name: data.layers[name].tolist() for name in data.layers},
        "settings": json.loads(data.uns["settings"]),
        "fields": data.uns["fields"]["pixel_size_um"].to_dict(),
        "versions": dict(data.uns["versions"]),
    }


def components(data: anndata.AnnData) -> tuple[int, ...]:
    """Shape of what scanpy computes."""
    scanpy.pp.pca(data, n_comps=2)
    scanpy.pp.neighbors(data, n_neighbors=3, use_rep="X_pca")
    return data.obsm["X_pca"].shape


def read_geojson(path: Path) -> list[dict]:
    found = []
    for feature in json.loads(path.read_text())["features"]:
        cell = shapely.geometry.shape(feature["geometry"])
        nucleus = shapely.geometry.shape(feature["nucleusGeometry"]) if "nucleusGeometry" in feature else None
        found.append(
            {
                "valid": cell.is_valid and (nucleus is None or nucleus.is_valid),
                "area": cell.area,
                "nucleus_area": nucleus.area if nucleus else 0,
                "nucleus_inside": nucleus is None or cell.covers(nucleus),
                "kind": cell.geom_type,
            }
        )
    return found


def read_imagej(path: Path) -> dict:
    """Area of each region: of paths with holes, the difference."""
    if not zipfile.ZipFile(path).namelist():
        return {}
    found = {}
    for roi in roifile.roiread(path):
        rings = roi.coordinates(multi=True)
        area = 0.0
        for ring in rings:
            x, y = ring[:, 0].astype(float), ring[:, 1].astype(float)
            area += sum(x[i - 1] * y[i] - x[i] * y[i - 1] for i in range(len(x))) / 2
        found[roi.name] = [area, len(rings)]
    return found


def read_ome_zarr(path: Path) -> dict:
    location = ome_zarr.io.parse_url(path)
    found = {"version": location.fmt.version}
    for node in ome_zarr.reader.Reader(location)():
        place = Path(str(node.zarr)).name.split(" ")[0]
        if node.data:
            found[place] = {
                "sum": int(node.data[0].sum().compute()),
                "shape": list(node.data[0].shape),
                "levels": len(node.data),
                "scale": node.metadata["coordinateTransformations"][0][0]["scale"],
                "channels": node.metadata.get("channel_names"),
                "properties": {str(key): value for key, value in node.metadata.get("properties", {}).items()},
            }
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
