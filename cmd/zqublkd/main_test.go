// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"zqublkd/internal/output"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everyStep is an environment variable that makes the program tell of each percent.
const everyStep = "ZQUBLKD_TEST_EVERY_STEP"

// TestMain makes the test binary be the program when it is started like it:
// add starts what it was itself started from, and tests that start tests would
// have no end. Scripts find it by name.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		if _, all := os.LookupEnv(everyStep); all {
			output.Every = 0
		}
		main()
		return
	}
	testscript.Main(m, map[string]func(){"zqublkd": main})
}

// TestScripts runs the verbs through the lives of images, without a device.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}
