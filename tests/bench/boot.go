// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// boot says of what run of which machine figures are.
type boot struct {
	ID       string `json:"id"`
	Date     string `json:"date"`
	Kernel   string `json:"kernel"` // as uname -r
	Machine  string `json:"machine"`
	Commit   string `json:"commit"`
	Versions string `json:"versions"` // of the tools
	Rounds   int    `json:"rounds"`
	Each     string `json:"each"` // how much a round is
}

func thisBoot(p plan, tools ...string) (b boot, err error) {
	now := time.Now().UTC()
	b = boot{ID: now.Format("20060102T150405"), Date: now.Format(time.DateOnly), Machine: p.machine, Commit: p.commit,
		Rounds: p.rounds,
		Each:   p.runtime.String() + " or a fixed amount"}
	if b.Kernel, err = output("uname", "-r"); err != nil {
		return b, err
	}
	b.Versions, err = versions(tools...)
	return b, err
}

// versions are the first lines of what the commands say.
func versions(commands ...string) (string, error) {
	var list []string
	for _, c := range commands {
		text, err := output("sh", "-c", c)
		if err != nil {
			return "", err
		}
		first, _, _ := strings.Cut(text, "\n")
		list = append(list, first)
	}
	return strings.Join(list, ", "), nil
}

// merge puts the results in the second file into the first.
func merge(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: bench merge KEPT NEW")
	}
	kept, err := readReport(args[0])
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	newer, err := readReport(args[1])
	if err != nil {
		return err
	}
	kept.take(newer)
	return errors.Join(kept.write(args[0]), os.Remove(args[1]))
}
