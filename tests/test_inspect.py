"""What ``inspect`` says of a graph, as text and as a picture."""

import re
import shutil
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad.graphs import Graph

from .test_debug import here


def lines(graph):
    return str(graph).splitlines()


def test_one_line_per_call_with_shape_dtype_and_bytes(device):
    x = xg.asarray([1.0, 2.0], device=device, dtype="float32", requires_grad=True)
    out = (x * xg.sin(x)).sum()
    head, first, second, third, total = lines(xg.inspect(out, x=x))
    assert head.split() == ["call", "of", "result", "dtype", "keeps"]
    assert first.split() == ["%1", "=", "sin", "x", "(2,)", "float32", "8", "B"]
    assert second.split() == ["%2", "=", "multiply", "x,", "%1", "(2,)", "float32", "8", "B"]  # x is counted once
    assert third.split() == ["%3", "=", "sum", "%2", "()", "float32", "0", "B"]
    assert total == "3 calls on 1 leaf; their pullbacks keep 16 B alive."


def test_bytes_are_those_of_the_memory_a_view_keeps_alive():
    x = xg.Tensor(np.ones(1000))
    big = x * 2
    out = xg.sin(big[:10])
    assert xg.inspect(out).bytes == 8000
    wide = xg.sin(xg.broadcast_to(xg.Tensor([1.0]), (1000,)))
    assert xg.inspect(wide).bytes == 8


def test_lines_where_it_was_recorded_under_debug():
    x = xg.Tensor(1.0)
    y = xg.exp(x)
    with xg.debug():
        line = here() + 1
        z = xg.sin(y)
    head, first, second, _ = lines(xg.inspect(z))
    assert head.endswith("line") and __file__ not in first and second.endswith(f"{__file__}:{line}")


def test_several_results_are_one_call():
    a = xg.Tensor(np.eye(2))
    w, v = xg.linalg.eigh(a)
    graph = xg.inspect(w.sum() + v.sum())
    assert [c.op.name for c in graph.calls] == ["linalg.eigh", "sum", "sum", "add"]
    assert "%1, %2 = linalg.eigh" in str(graph) and "(2,), (2, 2)" in str(graph)
    assert len(graph.leaves) == 1 and graph.bytes >= 48


def test_joint_pullbacks_show_their_arguments():
    a, b = xg.Tensor(np.eye(2)), xg.Tensor([1.0, 2.0])
    graph = xg.inspect(xg.linalg.solve(a, b), a=a, b=b)
    assert len(graph.calls) == 1 and "linalg.solve  a, b" in str(graph)
    assert 'label="linalg.solve: x1"' in graph.dot() and 'label="linalg.solve: x2"' in graph.dot()


def test_custom_rules_and_checkpoints():
    @xg.custom_vjp
    def f(x):
        return xg.sin(x)

    f.vjp(lambda out, x: lambda ct: (ct * xg.cos(x),))
    x = xg.Tensor(np.ones(100))
    graph = xg.inspect(xg.checkpoint(xg.exp)(f(x)))
    assert [c.op.name for c in graph.calls] == ["f", "checkpoint"]
    assert graph.bytes >= 1600  # x and the argument of the checkpoint


def test_a_released_graph_says_so():
    x = xg.Tensor([1.0])
    y = xg.sin(x)
    y.sum().backward()
    assert "(released)" in str(xg.inspect(y)) and "what lies behind is gone" in str(xg.inspect(y))
    assert "released" in xg.inspect(y).dot()
    assert xg.inspect(xg.exp(y)).bytes == 8


def test_leaves_constants_and_forward_mode():
    x = xg.Tensor([1.0])
    assert str(xg.inspect(x)) == "nothing recorded: a leaf."
    assert str(xg.inspect(xg.asarray(1.0))) == "nothing recorded: a constant."
    seen = []
    xg.jvp(lambda x: seen.append(str(xg.inspect(xg.sin(x)))) or x, (1.0,), (1.0,))
    assert seen == ["nothing recorded: forward mode keeps no graph."]
    for graph in (xg.inspect(x), xg.inspect(xg.asarray(1.0))):
        assert graph.dot().startswith("digraph") and graph.dot().count("->") == 0


def test_inside_a_transform():
    seen = []

    def f(x):
        y = xg.sin(x) * x
        seen.append(xg.inspect(y))
        return y

    xg.grad(xg.grad(f))(1.0)
    assert [c.op.name for c in seen[0].calls] == ["sin", "multiply"] and "%2 = multiply" in str(seen[0])
    assert "float64" in seen[0].dot()


def test_inspection_changes_nothing():
    x = xg.Tensor([1.0, 2.0])
    y = (x * x).sum()
    graph = xg.inspect(y)
    text, picture = str(graph), graph.dot()
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [2.0, 4.0] and str(xg.inspect(y)) == text and xg.inspect(y).dot() != picture


def test_wrong_arguments():
    with pytest.raises(TypeError, match="inspect: the argument must be a Tensor; got float"):
        xg.inspect(1.0)
    with pytest.raises(TypeError, match="inspect: w must be a Tensor; got list"):
        xg.inspect(xg.Tensor(1.0), w=[1.0])


# Long graphs ----------------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_calls():
    x = y = xg.Tensor(np.ones(4))
    for _ in range(50_000):
        y = xg.sin(y) + x
    graph = xg.inspect(y, limit=6)
    text = lines(graph)
    assert len(text) == 9 and text[4].startswith("... 99,994 more calls (49997 add, 49997 sin), which keep 1.6 MB")
    assert text[1].startswith("%1 = sin") and text[-2].startswith("%100000 = add")
    assert text[-1] == "100,000 calls on 1 leaf; their pullbacks keep 1.6 MB alive."
    dot = graph.dot()
    assert '"99,994 more calls"' in dot and dot.count("\n") < 40


def test_wide_graphs_are_walked_once():
    y = xg.Tensor(1.0)
    for _ in range(60):
        y = y + y
    assert len(xg.inspect(y).calls) == 60


# The picture ----------------------------------------------------------------------------------------------------------


def nodes_and_edges(dot):
    nodes = dict(re.findall(r'^  (\w+) \[label="((?:[^"\\]|\\.)*)"', dot, flags=re.M))
    edges = re.findall(r'^  (\w+) -> (\w+) \[label="((?:[^"\\]|\\.)*)"\]', dot, flags=re.M)
    return nodes, [(nodes[a].split()[0], nodes[b].split()[0], text) for a, b, text in edges]


def test_values_are_boxes_and_edges_are_arguments():
    x, w = xg.Tensor([1.0, 2.0]), xg.Tensor([[1.0, 0.0], [0.0, 2.0]])
    h = w @ x
    loss = (h**2).sum()
    nodes, edges = nodes_and_edges(xg.inspect(loss, x=x, w=w).dot())
    assert edges == [("w", "%1", "matmul: x1"), ("x", "%1", "matmul: x2"), ("%1", "%2", "pow"), ("%2", "%3", "sum")]
    labels = list(nodes.values())
    assert r"x (2,) float64\n[1., 2.]" in labels and r"%1 (2,) float64\n[1., 4.]" in labels
    assert r"%2 (2,) float64" in labels  # its Tensor is gone, and with it the numbers
    assert r"%3 () float64\n17." in labels
    loss.backward(retain_graph=True)
    labels = list(nodes_and_edges(xg.inspect(loss, x=x, w=w).dot())[0].values())
    assert r"x (2,) float64\n[1., 2.]\ngrad [ 2., 16.]" in labels
    assert r"%1 (2,) float64\n[1., 4.]\ngrad [2., 8.]" in labels and r"%3 () float64\n17.\ngrad 1." in labels


def test_large_arrays_show_shapes_only():
    x = xg.Tensor(np.ones(10))
    y = x * 2
    y.backward(retain_graph=True)
    assert set(nodes_and_edges(xg.inspect(y, x=x).dot())[0].values()) == {
        r"x (10,) float64\ngrad (10,)",
        r"%1 (10,) float64\ngrad (10,)",
    }


def test_a_gradient_kept_by_retain_grad():
    x = xg.Tensor(1.0)
    y = (x * 2).retain_grad()
    z = y * y
    assert [len(c.edges) for c in xg.inspect(z).calls] == [1, 2]
    z.backward(retain_graph=True)
    assert r"%1 () float64\n2.\ngrad 4." in xg.inspect(z).dot()


def test_names_are_quoted():
    @xg.custom_vjp
    def f(x):
        return x * 1

    f.vjp(lambda out, x: lambda ct: (ct,))
    f.name = 'a "quoted" \\ name'
    assert r'label="a \"quoted\" \\ name' in xg.inspect(f(xg.Tensor(1.0))).dot()


def test_svg_says_what_is_missing(monkeypatch):
    graph = xg.inspect(xg.sin(xg.Tensor(1.0)))
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match=r"svg: needs the package graphviz\. pip install 'xgrad\[inspect\]'"):
        graph.svg()
    assert graph._repr_html_().startswith("<pre>call") and "sin" in graph._repr_html_()


def test_svg_without_the_program(monkeypatch):
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", "")
    graph = xg.inspect(xg.sin(xg.Tensor(1.0)))
    with pytest.raises(RuntimeError, match="svg: the program dot was not found"):
        graph.svg()
    assert graph._repr_html_().startswith("<pre>call")


def test_a_notebook_shows_the_picture(monkeypatch):
    graph = xg.inspect(xg.sin(xg.Tensor(1.0)))
    monkeypatch.setattr(Graph, "svg", lambda self: "<?xml?>\n<!DOCTYPE svg>\n<svg>drawn</svg>")
    assert graph._repr_html_() == "<svg>drawn</svg>"


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz itself is not installed")
def test_svg_is_drawn():
    pytest.importorskip("graphviz")
    x = xg.Tensor([1.0, 2.0])
    picture = xg.inspect(xg.sin(x), x=x).svg()
    assert "<svg" in picture and "sin" in picture and "float64" in picture
