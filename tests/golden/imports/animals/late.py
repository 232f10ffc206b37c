print("loading late")
