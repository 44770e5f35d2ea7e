package vm

import (
	"regexp"
	"strings"
)

// complaint matches the first line of what a healthy kernel never says. Stalls that RCU reports are
// left out: an emulated CPU on a busy host does stall.
var complaint = regexp.MustCompile(`^WARNING: |\bBUG: |^kernel BUG at |\bOops\b|^Kernel panic|` +
	`general protection fault|unable to handle|blocked for more than \d+ seconds|blocked on |soft lockup|` +
	`^refcount_t: |list_(add|del) corruption|UBSAN:|KASAN:|KFENCE:|rcu_preempt.*starved`)

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
	for _, pattern := range c.allow {
		if pattern.MatchString(text) {
			return true
		}
	}
	return false
}
