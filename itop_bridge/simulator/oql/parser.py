"""OQL from text to a tree, by recursive descent, with iTop's wording of what is wrong."""

from itop_bridge.simulator.oql.lexer import END, Token, UnreadableError, tokenize, unquote
from itop_bridge.simulator.oql.syntax import (
    BinaryOqlExpression,
    Expression,
    FieldOqlExpression,
    FunctionOqlExpression,
    Join,
    ListOqlExpression,
    Query,
    ScalarOqlExpression,
    Select,
    VariableOqlExpression,
)

_COMPARISONS = ("EQ", "NOT_EQ", "LT", "LE", "GT", "GE", "LIKE", "NOT_LIKE", "REGEXP", "MATCHES")
_UNITS = ("F_SECOND", "F_MINUTE", "F_HOUR", "F_DAY", "F_WEEK", "F_MONTH", "F_YEAR")


class OqlError(Exception):
    """The query is wrong. `kind` is the name of iTop's exception class."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def parse_query(text: str) -> Query:
    """The query. Raises OqlError."""
    try:
        tokens = tokenize(text)
    except UnreadableError as error:
        raise OqlError("Exception", str(error)) from error
    return _Parser(text, tokens).query()


class _Parser:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def query(self) -> Query:
        if self._peek().kind != "SELECT":
            self._refuse_expression()
        selects = [self._select()]
        while self._accept("UNION"):
            selects.append(self._select())
        self._expect(END.kind)
        return Query(self._text, tuple(selects))

    def _refuse_expression(self) -> None:
        """An expression is well-formed OQL, but no query (transcripts 107-109)."""
        expression = self._disjunction()
        self._expect(END.kind)
        kind = type(expression).__name__
        raise OqlError("OQLException", f"Expecting an OQL query - found '{kind}' at 0 in '{self._text}'")

    def _select(self) -> Select:
        self._expect("SELECT")
        first = self._expect("NAME")
        chosen = ""
        if self._peek().kind in ("COMA", "FROM"):
            chosen = first.text
            while self._accept("COMA"):
                self._expect("NAME")
            self._expect("FROM")
            first = self._expect("NAME")
        alias = self._alias(first.text)
        joins = []
        while self._accept("JOIN"):
            joins.append(self._join())
        where = self._disjunction() if self._accept("WHERE") else None
        select = Select(first.text, alias, first.at, tuple(joins), where)
        if chosen not in ("", alias):
            raise OqlError("OqlNormalizeException", f"Unknown class alias - found '{chosen}' in '{self._text}'")
        return select

    def _alias(self, default: str) -> str:
        return self._expect("NAME").text if self._accept("AS_ALIAS") else default

    def _join(self) -> Join:
        joined = self._expect("NAME")
        alias = self._alias(joined.text)
        self._expect("ON")
        left = self._field(self._expect("NAME"))
        self._expect("EQ")
        right = self._field(self._expect("NAME"))
        return Join(joined.text, alias, joined.at, left, right)

    def _disjunction(self) -> Expression:
        left = self._conjunction()
        while self._accept("LOG_OR"):
            left = BinaryOqlExpression("LOG_OR", left, self._conjunction())
        return left

    def _conjunction(self) -> Expression:
        left = self._comparison()
        while self._accept("LOG_AND"):
            left = BinaryOqlExpression("LOG_AND", left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        while (operator := self._peek().kind) in (*_COMPARISONS, "IN", "NOT_IN"):
            self._advance()
            left = BinaryOqlExpression(operator, left, self._list() if operator.endswith("IN") else self._sum())
        return left

    def _sum(self) -> Expression:
        left = self._product()
        while (operator := self._peek().kind) in ("MATH_PLUS", "MATH_MINUS"):
            self._advance()
            left = BinaryOqlExpression(operator, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._primary()
        while (operator := self._peek().kind) in ("MATH_MULT", "MATH_DIV"):
            self._advance()
            left = BinaryOqlExpression(operator, left, self._primary())
        return left

    def _primary(self) -> Expression:
        token = self._advance()
        match token.kind:
            case "STRVAL":
                return ScalarOqlExpression(unquote(token.text))
            case "NUMVAL" | "HEXVAL":
                return ScalarOqlExpression(int(token.text, 0 if token.kind == "HEXVAL" else 10))
            case "TRUE_VAL" | "FALSE_VAL":
                return ScalarOqlExpression(int(token.kind == "TRUE_VAL"))
            case "NULL_VAL":
                return ScalarOqlExpression(None)
            case "MATH_MINUS":
                return ScalarOqlExpression(-int(self._expect("NUMVAL").text))
            case "VARNAME":
                return VariableOqlExpression(token.text[1:])
            case "NAME":
                return self._field(token)
            case "PAR_OPEN":
                inner = self._disjunction()
                self._expect("PAR_CLOSE")
                return inner
        if token.kind.startswith("F_"):
            return self._function(token)
        raise self._unexpected(token)

    def _field(self, token: Token) -> FieldOqlExpression:
        if self._accept("DOT"):
            name = self._expect("NAME")
            return FieldOqlExpression(token.text.strip("`"), name.text.strip("`"), name.at)
        return FieldOqlExpression("", token.text.strip("`"), token.at)

    def _function(self, token: Token) -> FunctionOqlExpression:
        self._expect("PAR_OPEN")
        arguments: list[Expression] = []
        while self._peek().kind != "PAR_CLOSE":
            arguments += self._interval() if self._peek().kind == "INTERVAL" else [self._disjunction()]
            if not self._accept("COMA"):
                break
        self._expect("PAR_CLOSE")
        return FunctionOqlExpression(token.text.upper(), tuple(arguments))

    def _interval(self) -> list[Expression]:
        self._expect("INTERVAL")
        amount = self._sum()
        unit = self._advance()
        if unit.kind not in _UNITS:
            raise self._unexpected(unit)
        return [amount, ScalarOqlExpression(unit.text.upper())]

    def _list(self) -> ListOqlExpression:
        self._expect("PAR_OPEN")
        items = [self._sum()]
        while self._accept("COMA"):
            items.append(self._sum())
        self._expect("PAR_CLOSE")
        return ListOqlExpression(tuple(items))

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._peek()
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _accept(self, kind: str) -> bool:
        if self._peek().kind != kind:
            return False
        self._advance()
        return True

    def _expect(self, kind: str) -> Token:
        token = self._advance()
        if token.kind != kind:
            raise self._unexpected(token)
        return token

    def _unexpected(self, token: Token) -> OqlError:
        return OqlError(
            "OQLParserSyntaxErrorException",
            f"Unexpected token {token.kind} - found '{token.text}' at {token.at} in '{self._text}'",
        )
