whose = "the package's"
