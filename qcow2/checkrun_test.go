package qcow2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"zqublkd/internal/storage"
)

func mustCheck(t testing.TB, f storage.File, o CheckOptions) *Report {
	t.Helper()
	r, err := Check(f, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(r *Report) string {
	var b strings.Builder
	r.WriteText(&b)
	return b.String()
}

// mustBeSound runs the image check: no corruptions ever, no leaks if asked.
func mustBeSound(t interface{ Fatalf(string, ...any) }, f storage.File, noLeaks bool) {
	r, err := Check(f, CheckOptions{})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if r.Corruptions != 0 || noLeaks && r.Leaks != 0 {
		var b bytes.Buffer
		fmt.Fprint(&b, text(r))
		t.Fatalf("check says:\n%s", b.String())
	}
}
