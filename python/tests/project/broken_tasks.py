from rayferry import task


@task(name="half")
def half():
    return 1


raise RuntimeError("no database here")
