whose = "the program's"
