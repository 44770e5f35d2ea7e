package qcow2

import (
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
