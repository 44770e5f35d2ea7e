// SPDX-License-Identifier: Apache-2.0

package needs

import (
	"fmt"
	"os"
	"testing"
)

// told notes how a test was ended.
type told struct {
	testing.TB
	how string
}

func (o *told) Helper()                      {}
func (o *told) Skip(args ...any)             { o.how += "skipped: " + fmt.Sprint(args...) }
func (o *told) Fatalf(f string, args ...any) { o.how += "failed: " + fmt.Sprintf(f, args...); panic(o) }
func (o *told) Fatal(args ...any)            { o.Fatalf("%s", fmt.Sprint(args...)) }
func (o *told) see(f func(t testing.TB)) (s string) {
	defer func() {
		if p := recover(); p != nil && p != any(o) {
			panic(p)
		}
		s = o.how
	}()
	f(o)
	return o.how
}

// Where everything is said to be here, nothing is left out in silence.
func TestMissing(t *testing.T) {
	t.Setenv(EverythingIsHere, "") // puts back after the test what is taken away now
	os.Unsetenv(EverythingIsHere)
	lacks := func(t testing.TB) { Programs(t, "no-such-package", "sh", "no-such-program") }
	const what = "no-such-program is not installed (apt-get install no-such-package)"
	if got := new(told).see(lacks); got != "skipped: "+what {
		t.Errorf("got %q", got)
	}
	t.Setenv(EverythingIsHere, "")
	if got := new(told).see(lacks); got != "failed: "+what+"; with "+EverythingIsHere+" set that is no reason to leave a test out" {
		t.Errorf("got %q", got)
	}
	if got := new(told).see(func(t testing.TB) { Programs(t, "dash", "sh") }); got != "" {
		t.Errorf("nothing is missing: %q", got)
	}
}
