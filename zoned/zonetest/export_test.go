// SPDX-License-Identifier: Apache-2.0

package zonetest

import "time"

// Failure is what the named case says of a device, "" if it passes. A request
// may take as long as patience.
func Failure(t Target, name string, patience time.Duration) string {
	d := newDrive(t)
	d.patience = patience
	for _, c := range Cases() {
		if c.Name != name || !c.suits(d) {
			continue
		}
		f := d.try(d.start)
		if f == nil {
			f = d.run(c)
		}
		if f == nil {
			return ""
		}
		return f.text
	}
	return "no such case, or it can't run"
}

// Verdict is what the runner makes of a case that failed with text, or passed.
func Verdict(text string, x *Difference) (ok bool, says string) {
	var f *failure
	if text != "" {
		f = &failure{text: text}
	}
	if x == nil {
		return verdict(f, Difference{}, false)
	}
	return verdict(f, *x, true)
}
