// SPDX-License-Identifier: Apache-2.0

// Command mutate breaks a package in every place it knows how to, one at a
// time, and lists what no test of the package notices.
//
//	go run ./tests/mutate [-dir zoned] [-only limits.go] [-progress FILE]
//
// Nothing is written to the source tree: a changed file reaches the compiler
// as an overlay. A survivor that can't be noticed, because the program does
// the same without what was changed, is listed with its reason in
// survivors.txt; any other makes the command fail.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed survivors.txt
var survivorsText string

// A mutant that hangs or takes all memory is noticed, too. The tests take a
// quarter of a second.
const (
	patience = 10 * time.Second
	memory   = "4000000" // KiB of each process
)

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", "zoned", "directory of the package")
	only := flag.String("only", "", "this file of it alone")
	list := flag.Bool("list", false, "list the mutants, run nothing")
	state := flag.String("progress", "", "keep verdicts in this file, and go on after those that are there")
	flag.Parse()
	mutants, err := packageMutants(*dir, *only)
	if err != nil {
		log.Fatal(err)
	}
	if *list {
		for _, m := range mutants {
			fmt.Println(m)
		}
		return
	}
	p, err := resume(*state, *dir)
	if err != nil {
		log.Fatal(err)
	}
	if !run(*dir, mutants, reasons(survivorsText), p) {
		os.Exit(1)
	}
}

// packageMutants finds the mutants of all files in dir that are no tests.
func packageMutants(dir, only string) ([]mutant, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || only != "" && filepath.Base(name) != only {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := fileMutants(name, source)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: nothing to break", dir)
	}
	return all, nil
}

// reasons reads lines of "mutant: reason".
func reasons(text string) map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(text) {
		if mutant, why, ok := strings.Cut(strings.TrimSpace(line), " because "); ok {
			known[mutant] = why
		}
	}
	return known
}

// run tests all mutants; false: something survived and should not have.
func run(dir string, mutants []mutant, known map[string]string, p *progress) bool {
	counts := map[verdict]int{}
	good := true
	for _, m := range mutants {
		v, ok := p.done[m.String()]
		if !ok {
			v = try(dir, m)
			if err := p.add(m, v); err != nil {
				log.Fatal(err)
			}
		}
		counts[v]++
		if v != survived {
			continue
		}
		why, ok := known[m.String()]
		if !ok {
			good = false
			why = "NOBODY KNOWS WHY"
		}
		fmt.Printf("survived: %s because %s\n", m, why)
	}
	fmt.Printf("%d mutants: %d noticed, %d survived, %d did not compile\n",
		len(mutants), counts[noticed], counts[survived], counts[invalid])
	return good
}

type verdict int

const (
	noticed verdict = iota
	survived
	invalid
)

var verdictNames = [...]string{noticed: "noticed", survived: "survived", invalid: "invalid"}

// try runs the tests of the package with one mutant in it.
func try(dir string, m mutant) verdict {
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(temp)
	overlay, err := m.overlay(temp)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience+time.Minute)
	defer cancel()
	test := exec.CommandContext(ctx, "sh", "-c", `ulimit -v `+memory+` && exec go test "$@"`, "sh",
		"-short", "-failfast", "-vet=off", "-timeout", patience.String(), "-overlay", overlay)
	if m.function == "-" {
		// A test that compares the state machine's text notices any cell.
		test.Args = append(test.Args, "-skip", "TestTableGolden|TestDocumentedTables")
	}
	test.Args = append(test.Args, "./"+filepath.ToSlash(dir), "-rapid.nofailfile")
	out, err := test.CombinedOutput()
	switch {
	case err == nil:
		return survived
	case strings.Contains(string(out), "[build failed]"):
		return invalid
	}
	return noticed
}

// overlay writes the changed file and the file that tells the compiler of it.
func (m mutant) overlay(temp string) (string, error) {
	changed := filepath.Join(temp, filepath.Base(m.file))
	if err := os.WriteFile(changed, m.source(), 0o600); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(temp, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
