"""The configuration: typed, closed sections; what is wrong with one; what each result depends on."""
