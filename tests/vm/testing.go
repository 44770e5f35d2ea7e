package vm

import (
	"bytes"
	"io"
	"testing"
)

// Run runs the command in a machine for a test: what it says goes to the test's log as well as to the
// config's writers, and any error is fatal. An exit status other than 0 is for the caller to judge.
func Run(t testing.TB, c Config, argv ...string) Result {
	t.Helper()
	stdout, stderr := &lineLog{t: t, prefix: "vm: "}, &lineLog{t: t, prefix: "vm! "}
	c.Stdout, c.Stderr = both(c.Stdout, stdout), both(c.Stderr, stderr)
	result, err := c.Run(t.Context(), argv...)
	stdout.flush()
	stderr.flush()
	if err != nil {
		t.Fatalf("vm, Linux %s, %q: %v", c.withDefaults().Kernel, argv, err)
	}
	t.Logf("vm: Linux %s, status %d, booted in %.1f s, took %.1f s", c.withDefaults().Kernel,
		result.Status, result.Booted.Seconds(), result.Took.Seconds())
	return result
}

func both(a, b io.Writer) io.Writer {
	if a == nil {
		return b
	}
	return io.MultiWriter(a, b)
}

// lineLog hands whole lines to a test's log.
type lineLog struct {
	t      testing.TB
	prefix string
	rest   []byte
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.t.Log(l.prefix + string(line))
		l.rest = rest
	}
}

func (l *lineLog) flush() {
	if len(l.rest) > 0 {
		l.t.Log(l.prefix + string(l.rest))
		l.rest = nil
	}
}
