// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// bindings are the packages whose exported names are an interface to the kernel, or to the zone
// rules, for any program.
var bindings = []string{module + "/uring", module + "/ublk", module + "/zoned"}

// planted is what TestBindingsAreUsed must find, and nothing else.
const planted = "// SPDX-License-Identifier: Apache-2.0\n\npackage uring\n\n// Planted does nothing.\nfunc Planted() {}\n"

// TestBindingsAreUsed finds what the bindings export and only tests use. Used is what the program
// names, or a package that tests of handlers are made with (ublktest, zonetest), what an interface
// asks for, and what an Example shows.
func TestBindingsAreUsed(t *testing.T) {
	file, err := filepath.Abs("../uring/planted.go")
	if err != nil {
		t.Fatal(err)
	}
	all, err := packages.Load(&packages.Config{Dir: "..", Mode: packages.LoadSyntax,
		Overlay: map[string][]byte{file: []byte(planted)}}, module+"/...")
	if err != nil || packages.PrintErrors(all) > 0 {
		t.Fatal("packages that can't be read: ", err)
	}
	used, asked := map[types.Object]bool{}, map[string]bool{"Is": true, "Unwrap": true, "String": true, "Error": true}
	var idle []string
	for _, p := range all {
		if strings.HasPrefix(p.PkgPath, module+"/tests/") {
			continue
		}
		for _, o := range p.TypesInfo.Uses {
			used[o] = true
		}
		for _, o := range p.TypesInfo.Defs {
			if name, ok := o.(*types.TypeName); ok && types.IsInterface(name.Type()) {
				for m := range name.Type().Underlying().(*types.Interface).Methods() {
					asked[m.Name()] = true
				}
			}
		}
	}
	for _, p := range all {
		if !slices.Contains(bindings, p.PkgPath) {
			continue
		}
		shown := inExamples(t, p.Dir)
		for _, o := range p.TypesInfo.Defs {
			if o == nil || !o.Exported() {
				continue
			}
			_, method := o.(*types.Func)
			v, _ := o.(*types.Var)
			if o.Parent() != p.Types.Scope() && !method && !(v != nil && v.IsField()) {
				continue // of a function's own
			}
			if !used[o] && !shown[o.Name()] && !(method && asked[o.Name()]) {
				idle = append(idle, o.String())
			}
		}
	}
	if want := []string{"func " + module + "/uring.Planted()"}; !slices.Equal(idle, want) {
		t.Errorf("only tests use %q, want %q: remove what more there is, or show by an Example what it is for", idle, want)
	}
}

// inExamples lists the names that the examples of a package use.
func inExamples(t *testing.T, dir string) map[string]bool {
	files, err := filepath.Glob(filepath.Join(dir, "example*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no example: %v", dir, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				names[s.Sel.Name] = true
			}
			return true
		})
	}
	return names
}
