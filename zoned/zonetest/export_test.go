package zonetest

import "time"

// Failing runs the cases on a device and returns what those say that fail. A
// request that takes longer than patience ends it.
func Failing(t Target, patience time.Duration) map[string]string {
	d := newDrive(t)
	d.patience = patience
	failed := map[string]string{}
	for _, c := range Cases() {
		if !c.suits(d) {
			continue
		}
		f := d.try(d.start)
		if f == nil {
			f = d.run(c)
		}
		if f == nil {
			continue
		}
		failed[c.Name] = f.text
		if f.hung {
			return failed
		}
	}
	return failed
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
