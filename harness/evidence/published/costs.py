def costs(contender, quantity):
    return None
