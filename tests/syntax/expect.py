"""Make the expectations in this folder with CPython 3.14: run from here as `node ../../oracle/py314.mjs expect.py`.

`NAME.aio` gets `NAME.ast` and `NAME.positions`; the cases of `errors.cases` get a line each in `errors.expected`.
"""

import ast
import glob
import sys
import warnings

assert sys.version_info[:2] == (3, 14), "expectations come from CPython 3.14"
warnings.simplefilter("ignore")
for path in glob.glob("*.aio"):
    with open(path, newline="") as file:
        tree = ast.parse(file.read())
    for suffix, positions in ((".ast", False), (".positions", True)):
        with open(path.removesuffix(".aio") + suffix, "w") as file:
            file.write(ast.dump(tree, indent=1, include_attributes=positions) + "\n")
with open("errors.cases", newline="") as file:
    cases = file.read().split("# ----\n")
with open("errors.expected", "w") as file:
    for case in cases:
        try:
            ast.parse(case)
            line = "accepted"
        except SyntaxError as error:
            place = f"{error.lineno},{error.offset},{error.end_lineno},{error.end_offset}"
            line = f"{type(error).__name__} {place} {error.msg}"
        except Exception as error:
            line = f"{type(error).__name__} {error}"
        file.write(line + "\n")
