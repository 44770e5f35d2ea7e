// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseDelay(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"": {}, "5ms": {5 * time.Millisecond, 5 * time.Millisecond}, "5ms..1.5s": {5 * time.Millisecond, 1500 * time.Millisecond},
	} {
		if least, most, err := parseDelay(text); err != nil || least != want[0] || most != want[1] {
			t.Errorf("%q: %v..%v, %v", text, least, most, err)
		}
	}
	for _, text := range []string{"5", "..", "5ms..", "-"} {
		if _, _, err := parseDelay(text); err == nil || !strings.Contains(err.Error(), "--delay") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFaultUsage: what is wrong is said before any device is looked for.
func TestFaultUsage(t *testing.T) {
	for args, says := range map[string]string{
		"fault add 0 --status EIO":                                 `op ""`,
		"fault add 0 --op write":                                   "needs a status",
		"fault add 0 --op write --status EAGAIN":                   `status "EAGAIN"`,
		"fault add 0 --op flush --status EIO --zone 1":             "has no place",
		"fault add 0 --op read --status EIO --start 8":             "--nr-sectors",
		"fault add 0 --op read --delay 1h":                         "above 10s",
		"fault add 0 --op read --status eio --torn":                "torn",
		"fault clear 0 x":                                          `fault "x"`,
		"powercut 0 --mode maybe":                                  `"maybe"`,
		"zone set 0 1":                                             "name an image or a device",
		"zone set 0 1 read-only --zone 2":                          "name an image or a device",
		"zone set 0 1 closed":                                      `"closed"`,
		"zone set no-such.qcow2 1 full --run-dir /no/such/run/dir": "no device is named",
	} {
		if out, err := run(strings.Fields(args)...); exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %s", args, err, out)
		}
	}
}
