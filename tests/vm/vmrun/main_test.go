// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"testing"

	"zqublkd/tests/vm"
)

func TestJudge(t *testing.T) {
	complaint := &vm.ComplaintError{Lines: []string{"WARNING: x"}}
	limit := fmt.Errorf("%w: 5m0s", vm.ErrLimit)
	cases := []struct {
		name   string
		status int
		err    error
		want   int
	}{
		{"success", 0, nil, 0},
		{"the command's status", 7, nil, 7},
		{"complaint", 0, complaint, exitComplaint},
		{"complaint of a failing command", 1, complaint, exitComplaint},
		{"complaint and limit", 124, errors.Join(complaint, limit), exitComplaint},
		{"limit", 124, limit, exitLimit},
		{"down", 0, fmt.Errorf("%w\nconsole", vm.ErrDown), exitFailed},
		{"no cache", 0, vm.ErrNoCache, exitFailed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := judge(vm.Result{Status: c.status}, c.err); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--kernel", "7.3", "--file", "a", "--file", "b:c", "--udev", "--allow", "^x", "sh", "-c", "exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	c := o.config
	if c.Kernel != "7.3" || len(c.Files) != 2 || c.Files[1] != "b:c" || c.Boot != vm.BootUdev || len(c.Allow) != 1 {
		t.Errorf("%+v", c)
	}
	if len(o.argv) != 3 || o.argv[2] != "exit 3" {
		t.Errorf("command %q", o.argv)
	}
}
