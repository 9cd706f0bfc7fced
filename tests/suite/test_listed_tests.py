from harness.suite.listed_tests import leave_out


def rows(**results):
    return {name: [{"result": result}] for name, result in results.items()}


def test_few_tests_are_all_listed():
    tests = rows(a="Passed", b="Failed")
    assert leave_out(tests, 2) == 0
    assert list(tests) == ["a", "b"]


def test_of_many_tests_faults_and_the_first_others_are_listed():
    tests = rows(a="Passed", b="Passed", c="XFailed", d="Failed", e="Error", f="XPassed")
    assert leave_out(tests, 4) == 2
    assert list(tests) == ["a", "d", "e", "f"]


def test_no_fault_is_left_out():
    tests = rows(a="Failed", b="Error", c="Passed")
    assert leave_out(tests, 1) == 1
    assert list(tests) == ["a", "b"]
