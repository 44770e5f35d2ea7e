// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `package p

var cell = to(Empty)

func f(a, b int, on bool) int {
	if on && a <= b {
		a += b
	}
	if !on {
		g(a)
	}
	x.Lock()
	c := a
	return c
}
`

func TestMutants(t *testing.T) {
	mutants, err := fileMutants("dir/p.go", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mutants {
		got = append(got, m.String())
	}
	want := []string{
		"p.go -: to(Empty) => to(Full)",
		"p.go f: on && a <= b => on || a <= b",
		"p.go f: a <= b => a < b",
		"p.go f: a <= b => a > b",
		"p.go f: a += b => a -= b",
		"p.go f: a += b => ",
		"p.go f: !on => on",
		"p.go f: g(a) => ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSameMutantTwice(t *testing.T) {
	mutants, err := fileMutants("p.go", []byte("package p\nfunc f() { g(); g() }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) != 2 || mutants[1].String() != mutants[0].String()+" #2" {
		t.Errorf("%v", mutants)
	}
}

func TestOverlay(t *testing.T) {
	mutants, err := fileMutants("dir/p.go", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	name, err := mutants[2].overlay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &overlay); err != nil || len(overlay.Replace) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	for _, changed := range overlay.Replace {
		got, err := os.ReadFile(changed)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(sample, "<=", "<", 1)
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestReasons(t *testing.T) {
	got := reasons("p.go f: a => b because it is the same\n\nno reason\n")
	if diff := cmp.Diff(map[string]string{"p.go f: a => b": "it is the same"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestProgress(t *testing.T) {
	dir := t.TempDir()
	source, state := filepath.Join(dir, "p.go"), filepath.Join(dir, "progress")
	if err := os.WriteFile(source, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	mutants, err := packageMutants(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	open := func() *progress {
		p, err := resume(state, dir)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for k, v := range []verdict{noticed, survived, invalid} {
		if err := open().add(mutants[k], v); err != nil { // cut after each
			t.Fatal(err)
		}
	}
	open().file.WriteString("noticed p.go f: cut sho")
	want := map[string]verdict{mutants[0].String(): noticed, mutants[1].String(): survived, mutants[2].String(): invalid}
	if diff := cmp.Diff(want, open().done); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(source, []byte(sample+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if p := open(); len(p.done) != 0 {
			t.Errorf("the package has changed, and %v are remembered", p.done)
		}
	}
}
