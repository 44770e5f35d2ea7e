// SPDX-License-Identifier: Apache-2.0

package vm

import "strings"

// dumpLines bounds the dump of tasks in an error.
const dumpLines = 400

// dump collects the kernel's log from the moment it is asked where its tasks wait.
type dump struct{ lines []string }

func (d *dump) see(text string) {
	if len(d.lines) == 0 && text != "sysrq: Show Blocked State" {
		return
	}
	if len(d.lines) < dumpLines {
		d.lines = append(d.lines, text)
	}
}

func (d *dump) String() string {
	return strings.Join(d.lines, "\n  ")
}
