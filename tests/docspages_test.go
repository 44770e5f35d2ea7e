// SPDX-License-Identifier: Apache-2.0

//go:build vm

package tests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runPages are the pages whose commands a scenario runs, all of them and in their order.
var runPages = map[string]string{
	"../docs/operate.md":    "operate",
	"../docs/cookbook.md":   "cookbook",
	"../README.md":          "commands",
	"../docs/man/zqublkd.8": "commands",
}

// TestPagesAreRun: the scenario of a page is given the page, and takes its commands from it.
func TestPagesAreRun(t *testing.T) {
	for page, name := range runPages {
		k := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if k < 0 || !slices.Contains(scenarios[k].files, page) {
			t.Errorf("%s: no scenario %s has it", page, name)
			continue
		}
		script, err := os.ReadFile("scenarios/" + name + ".sh")
		if err != nil || !strings.Contains(string(script), "/opt/zqublkd/"+filepath.Base(page)) || !strings.Contains(string(script), "eval ") {
			t.Errorf("%s: its scenario does not run what it says (%v)", page, err)
		}
	}
}
