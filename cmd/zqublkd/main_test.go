package main

import (
	"os"
	"strings"
	"testing"
)

// TestMain makes the test binary be the program when it is started like it:
// add starts what it was itself started from, and tests that start tests would
// have no end.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		main()
		return
	}
	os.Exit(m.Run())
}
