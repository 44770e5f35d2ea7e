// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// progress remembers verdicts in a file, so that a run that was cut goes on
// where it was. It belongs to the package as it was: any change of a source or
// a test begins anew.
type progress struct {
	file *os.File
	done map[string]verdict
}

// resume opens the progress of a package; name "" keeps none.
func resume(name, dir string) (*progress, error) {
	p := &progress{done: map[string]verdict{}}
	if name == "" {
		return p, nil
	}
	of, err := fingerprint(dir)
	if err != nil {
		return nil, err
	}
	if p.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(p.file)
	if lines.Scan() && lines.Text() == of {
		for lines.Scan() {
			p.read(lines.Text())
		}
		return p, lines.Err()
	}
	if err := p.file.Truncate(0); err != nil {
		return nil, err
	}
	_, err = p.file.WriteAt([]byte(of+"\n"), 0)
	if err == nil {
		_, err = p.file.Seek(0, 2)
	}
	return p, err
}

// read takes a line "verdict mutant"; one that was cut short does not count.
func (p *progress) read(line string) {
	word, mutant, ok := strings.Cut(line, " ")
	for v, name := range verdictNames {
		if ok && name == word && strings.HasSuffix(mutant, ".") {
			p.done[strings.TrimSuffix(mutant, ".")] = verdict(v)
		}
	}
}

func (p *progress) add(m mutant, v verdict) error {
	p.done[m.String()] = v
	if p.file == nil {
		return nil
	}
	_, err := fmt.Fprintf(p.file, "%s %s.\n", verdictNames[v], m)
	return err
}

// fingerprint tells one state of a package's files from another.
func fingerprint(dir string) (string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(b), b)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
