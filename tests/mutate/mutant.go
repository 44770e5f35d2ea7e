// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// mutant is a file with one piece of its text replaced.
type mutant struct {
	file     string
	original []byte
	function string
	from, to int // the piece, bytes of the file
	text     string
	shown    [2]string // the smallest expression around it, before and after
	again    int       // of the same in the same function, this is the n-th
}

func (m mutant) source() []byte {
	return []byte(string(m.original[:m.from]) + m.text + string(m.original[m.to:]))
}

// String names the mutant without a line number, so that the name lasts.
func (m mutant) String() string {
	s := fmt.Sprintf("%s %s: %s => %s", filepath.Base(m.file), m.function, oneLine(m.shown[0]), oneLine(m.shown[1]))
	if m.again > 1 {
		s += fmt.Sprintf(" #%d", m.again)
	}
	return s
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// flips are the operators that replace an operator.
var flips = map[token.Token][]token.Token{
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
	token.ADD_ASSIGN: {token.SUB_ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN},
	token.INC: {token.DEC}, token.DEC: {token.INC},
}

// cells are what replaces a cell of the state machine: the first that differs
// from what the function of that name makes.
var cells = map[string][]string{
	"to":     {"to(Full)", "to(Closed)"},
	"refuse": {"refuse(RuleBoundary)"},
}

// finder collects the mutants of one file.
type finder struct {
	file     string
	source   []byte
	set      *token.FileSet
	function string
	found    []mutant
}

func fileMutants(name string, source []byte) ([]mutant, error) {
	f := &finder{file: name, source: source, set: token.NewFileSet()}
	tree, err := parser.ParseFile(f.set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range tree.Decls {
		f.function = "-"
		if fn, ok := decl.(*ast.FuncDecl); ok {
			f.function = fn.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool { f.visit(n); return true })
	}
	seen := map[string]int{}
	for i := range f.found {
		name := f.found[i].String()
		seen[name]++
		f.found[i].again = seen[name]
	}
	return f.found, nil
}

func (f *finder) offset(p token.Pos) int { return f.set.Position(p).Offset }

func (f *finder) text(n ast.Node) string {
	return string(f.source[f.offset(n.Pos()):f.offset(n.End())])
}

// replace adds a mutant: in node around, text from from to to becomes text.
func (f *finder) replace(around ast.Node, from, to token.Pos, text string) {
	a, b := f.offset(from), f.offset(to)
	begin := f.offset(around.Pos())
	before := f.text(around)
	f.found = append(f.found, mutant{
		file: f.file, original: f.source, function: f.function, from: a, to: b, text: text,
		shown: [2]string{before, before[:a-begin] + text + before[b-begin:]},
	})
}

func (f *finder) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		f.flip(n, n.OpPos, n.Op)
	case *ast.AssignStmt:
		f.flip(n, n.TokPos, n.Tok)
		f.drop(n)
	case *ast.IncDecStmt:
		f.flip(n, n.TokPos, n.Tok)
	case *ast.ExprStmt:
		f.drop(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			f.replace(n, n.OpPos, n.X.Pos(), "")
		}
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.CallExpr:
		f.cell(n)
	case *ast.KeyValueExpr:
		if id, ok := n.Value.(*ast.Ident); ok && id.Name == "closes" {
			f.replace(n, id.Pos(), id.End(), "to(Closed)")
			f.replace(n, id.Pos(), id.End(), "to(Empty)")
		}
	}
}

func (f *finder) flip(n ast.Node, at token.Pos, op token.Token) {
	for _, other := range flips[op] {
		f.replace(n, at, at+token.Pos(len(op.String())), other.String())
	}
}

// negate turns a condition without an operator around.
func (f *finder) negate(cond ast.Expr) {
	switch cond.(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr:
		f.replace(cond, cond.Pos(), cond.Pos(), "!")
	}
}

// drop leaves a statement out. Locks stay: their loss is for the race
// detector, or hangs.
func (f *finder) drop(n ast.Stmt) {
	text := f.text(n)
	if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.DEFINE || strings.Contains(text, "ock()") {
		return
	}
	f.replace(n, n.Pos(), n.End(), "")
}

func (f *finder) cell(n *ast.CallExpr) {
	fn, ok := n.Fun.(*ast.Ident)
	if !ok {
		return
	}
	for _, other := range cells[fn.Name] {
		if other != f.text(n) {
			f.replace(n, n.Pos(), n.End(), other)
			return
		}
	}
}
