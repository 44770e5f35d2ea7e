// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"regexp"
	"strings"
)

// complaint matches the first line of what a healthy kernel never says. Stalls that RCU reports are
// left out: an emulated CPU on a busy host does stall.
var complaint = regexp.MustCompile(`^WARNING: |\bBUG: |^kernel BUG at |\bOops: |^Kernel panic|` +
	`general protection fault|unable to handle|blocked for more than \d+ seconds|soft lockup|` +
	`^refcount_t: |list_(add|del) corruption|^UBSAN: |^KFENCE: `)

// emulation matches what a kernel says only of CPUs that are emulated and were held up for long: on
// Linux 7.3 a timer of the scheduler itself (dl_task_timer) then finds itself armed again, in the
// idle task.
var emulation = regexp.MustCompile(`^WARNING: kernel/time/hrtimer\.c:\d+ at hrtimer_forward\+.*: swapper/\d`)

// complaintLines is how much of the log after the first line belongs to a complaint, at most.
const complaintLines = 50

// complaints collects what the kernel complained about.
type complaints struct {
	allow []*regexp.Regexp
	lines []string
	more  int // lines still to be taken for the current one
}

func (c *complaints) see(text string) {
	switch {
	case complaint.MatchString(text) && !c.allowed(text):
		c.more = complaintLines
	case c.more == 0:
		return
	}
	c.lines = append(c.lines, text)
	c.more--
	if strings.Contains(text, "---[ end ") {
		c.more = 0
	}
}

func (c *complaints) allowed(text string) bool {
	if emulation.MatchString(text) {
		return true
	}
	for _, pattern := range c.allow {
		if pattern.MatchString(text) {
			return true
		}
	}
	return false
}

// stamp is the time the kernel puts before a line on its console.
var stamp = regexp.MustCompile(`^\[ *\d+\.\d+\] `)

// seeConsole looks through what came over the serial console, for a machine that went down before
// its log could say it.
func (c *complaints) seeConsole(text string) {
	for line := range strings.Lines(text) {
		c.see(stamp.ReplaceAllString(strings.TrimRight(line, "\n"), ""))
	}
}
