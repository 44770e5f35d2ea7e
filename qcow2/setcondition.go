// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"slices"

	"zqublkd/qcow2/format"
)

// ZoneConditions lists the zones that are read-only or offline, in order. Their
// write pointers and data are as the rest of the image has them: a zone that
// becomes normal again is what it was.
func (i *Image) ZoneConditions() []format.ConditionRun {
	if i.private == nil {
		return nil
	}
	return i.private.Conditions
}

// judgeConditions compares the conditions with the zones there are.
func (i *Image) judgeConditions() {
	if i.private == nil || i.zones == nil && i.isZoned() {
		return
	}
	if err := i.private.Conditions.Fits(i.zones); err != nil {
		i.refuse(UseRead, err)
		i.private.Conditions = nil
	}
}

// SetZoneConditions gives the zones of each run its condition, in order,
// durably and at once: a crash leaves all of it or nothing. Who serves the image has to
// tell the rules. Errors: *OptionError for zones that can't have it,
// *UnsupportedError when the header has no room for so many runs.
func (i *Image) SetZoneConditions(runs ...format.ConditionRun) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.mayWrite(); err != nil {
		return err
	}
	p, changed, err := i.withConditions(runs)
	if err != nil || !changed {
		return err
	}
	if err := i.replaceExtension(format.Extension{Type: format.ExtPrivate, Data: p.Encode()}); err != nil {
		return err
	}
	i.private = &p
	return nil
}

// withConditions is the private extension with the conditions of runs.
func (i *Image) withConditions(runs []format.ConditionRun) (p format.PrivateExtension, changed bool, err error) {
	if i.private != nil {
		p = *i.private
	}
	before := p.Conditions
	for _, r := range runs {
		if err := i.checkRun(r); err != nil {
			return p, false, err
		}
		p.Conditions = p.Conditions.With(r)
	}
	return p, !slices.Equal(before, p.Conditions), nil
}

// MayHaveConditions says whether SetZoneConditions has room for runs.
func (i *Image) MayHaveConditions(runs ...format.ConditionRun) error {
	p, changed, err := i.withConditions(runs)
	if err == nil && changed {
		private := format.Extension{Type: format.ExtPrivate, Data: p.Encode()}
		_, _, _, err = i.planExtensions(replaced(i.header.Extensions, private))
	}
	return err
}

func (i *Image) checkRun(r format.ConditionRun) error {
	z := i.zones
	switch {
	case z == nil:
		return &format.OptionError{Option: "zone", Value: r, Rule: "a plain image has no zones"}
	case r.Zones == 0 || r.End() > uint64(z.Zones):
		return &format.OptionError{Option: "zone", Value: r, Rule: "the image has zones 0 to " + lastOf(z)}
	case r.First < z.Conventional:
		return &format.OptionError{Option: "zone", Value: r, Rule: "conventional zones are neither read-only nor offline; the sequential ones are " + sequentialOf(z)}
	}
	return nil
}

func lastOf(z *format.ZonedInfo) string {
	return format.ConditionRun{First: z.Zones - 1, Zones: 1}.String()
}

func sequentialOf(z *format.ZonedInfo) string {
	if z.Conventional == z.Zones {
		return "none"
	}
	return format.ConditionRun{First: z.Conventional, Zones: z.Zones - z.Conventional}.String()
}
