"""The configuration: typed sections, validation, and the settings that each result depends on."""
