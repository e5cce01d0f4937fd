from itop_bridge.demo.table import Cell, Column, fit, render_table, text_width

COLUMNS = [Column("Ref"), Column("Title", flexible=True), Column("Alerts", right=True)]


def render(*rows, width=80, **options):
    return render_table(COLUMNS, [[Cell(text) for text in row] for row in rows], width=width, **options)


def test_columns_are_aligned_and_numbers_stand_right():
    assert render(("I-1", "short", "7"), ("I-22", "longer title", "1,234")) == [
        "Ref   Title         Alerts",
        "I-1   short              7",
        "I-22  longer title   1,234",
    ]


def test_the_flexible_column_gives_way():
    lines = render(("I-1", "x" * 100, "7"), width=40)
    assert [len(line) for line in lines] == [40, 40]
    assert lines[1] == f"I-1  {'x' * 26}…       7"


def test_the_flexible_column_is_never_cut_to_nothing():
    assert render(("I-1", "x" * 100, "7"), width=5)[1] == f"I-1  {'x' * 11}…       7"


def test_control_characters_are_shown_not_obeyed():
    (_, line) = render(("I-1", "\x1b[31mred\n\u202eevil", "7"))
    assert line == r"I-1  \x1b[31mred\n\u202eevil       7"


def test_wide_marks_take_two_cells_and_combining_ones_none():
    assert (text_width("警報"), text_width("e\u0301"), text_width("é")) == (4, 1, 1)
    assert fit("警報警報", 6) == "警報… "
    assert fit("警報", 6) == "警報  "


def test_paint_does_not_count_as_width():
    red = "\x1b[31m{}\x1b[0m".format
    rows = [[Cell("I-1", red), Cell("a"), Cell("7")], [Cell("I-22"), Cell("b"), Cell("8")]]
    lines = render_table(COLUMNS, rows, width=80, paint_head=red)
    assert lines[1:] == ["\x1b[31mI-1 \x1b[0m  a           7", "I-22  b           8"]
    assert lines[0].startswith("\x1b[31mRef \x1b[0m")
