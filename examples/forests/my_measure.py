"""What the claim's number is: whether a classifier is right on each example of a table's test part."""

from functools import partial

from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

TABLES = {"cancer": load_breast_cancer, "digits": load_digits, "wine": load_wine}
CLASSIFIERS = {
    "single tree": DecisionTreeClassifier,
    "random forest": partial(RandomForestClassifier, n_estimators=40),
}


def accuracy(contender, dataset, seed):
    """Return whether each test example is classified correctly, shape (n,); the split is the same for every seed."""
    load, classifier = TABLES[dataset], CLASSIFIERS[contender.architecture]
    x, y = load(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.5, random_state=0, stratify=y)
    return classifier(random_state=seed).fit(train_x, train_y).predict(test_x) == test_y
