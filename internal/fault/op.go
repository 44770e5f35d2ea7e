// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Op is a kind of request that a rule may be about.
type Op string

// The kinds of requests. A reset of all zones is a Reset.
const (
	Read   Op = "read"
	Write  Op = "write"
	Append Op = "append"
	Flush  Op = "flush"
	Reset  Op = "reset"
	Finish Op = "finish"
	Open   Op = "open"
	Close  Op = "close"
	Report Op = "report"
)

// Ops lists all of them.
var Ops = []Op{Read, Write, Append, Flush, Reset, Finish, Open, Close, Report}

// HasPlace reports whether a request of the kind is about a part of the disk.
func (o Op) HasPlace() bool { return o != Flush }

func (o Op) check() error {
	if slices.Contains(Ops, o) {
		return nil
	}
	var names []string
	for _, op := range Ops {
		names = append(names, string(op))
	}
	return fmt.Errorf("op %q: give one of %s", string(o), strings.Join(names, ", "))
}
