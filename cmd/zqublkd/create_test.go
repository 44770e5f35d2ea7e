// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestR56_DefaultsAreDocumented(t *testing.T) {
	flags, options := mustRun(t, "create", "--help"), mustRun(t, "create", "-o", "help")
	for option, want := range map[string]string{
		"cluster_size": "64K", "refcount_bits": "16", "extended_l2": "off", "logical_block_size": "4096 with zones, else 512",
		"zone.revision": "v6", "zone.size": "256M", "zone.capacity": "the zone size", "zone.max_open_zones": "zone.max_active_zones",
	} {
		if !strings.Contains(flags, "(default "+want+")") {
			t.Errorf("--help does not say %q of %s", want, option)
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(option) + ` .*  ` + regexp.QuoteMeta(want) + `  `).MatchString(options) {
			t.Errorf("-o help does not say %q of %s:\n%s", want, option, options)
		}
	}
	for _, want := range []string{"zone.conventional_zones  number     0 ", "zone.max_active_zones    number     0 ", "zone.max_append_bytes    size       0 ", "0: none", "0: as large as a request"} {
		if !strings.Contains(options, want) {
			t.Errorf("-o help does not say %q:\n%s", want, options)
		}
	}
}

// What no kernel takes is made only with --force, and a refused create leaves
// nothing.
func TestCreateRefusesWhatCantBeServed(t *testing.T) {
	for name, c := range map[string]struct{ options, says string }{
		"short last zone": {"size=100M,zone.mode=host-managed,zone.size=8M", "the last zone is short"},
		"too many zones":  {"size=1048640K,zone.mode=host-managed,zone.size=64K", "16385 zones are more than the 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "d.qcow2")
			text, err := run("create", "-o", c.options, image)
			if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "--force") {
				t.Errorf("%v %s", err, text)
			}
			if _, err := os.Lstat(image); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a refused create left an image: %v", err)
			}
			if text := mustRun(t, "create", "-o", c.options, image, "--force"); !strings.Contains(text, "can't be served here") {
				t.Errorf("with --force: %s", text)
			}
		})
	}
}
