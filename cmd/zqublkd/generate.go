// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"zqublkd/internal/boottable"
	"zqublkd/internal/unit"
)

// generatorName is the name under which systemd starts the program to make
// units; the verb is the same by hand.
const (
	generatorName = "zqublkd-generator"
	generateVerb  = "generate"
)

// byName lets the program's name stand for a verb.
func byName(args []string) []string {
	if len(args) > 0 && filepath.Base(args[0]) == generatorName {
		return append([]string{generateVerb}, args[1:]...)
	}
	return args[1:]
}

func newGenerate() *cobra.Command {
	var table string
	c := &cobra.Command{
		Use:   generateVerb + " FOLDER [EARLY LATE]",
		Short: "Make systemd units of " + boottable.DefaultPath + ", as systemd has it done at boot",
		Long: `Makes a unit zqublkd@NAME.service for each line of the table. systemd does this at boot and on
"systemctl daemon-reload", under the name zqublkd-generator; by hand it shows what would come of a table.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 3 { // systemd.generator(7): three folders, of which this needs the first
				args = args[:1]
			}
			return exactly("FOLDER")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Open(table)
			if errors.Is(err, fs.ErrNotExist) && table == boottable.DefaultPath {
				return nil
			}
			if err != nil {
				return err
			}
			defer f.Close()
			self, err := os.Executable()
			if err != nil {
				return err
			}
			list, err := boottable.Parse(f, table)
			err = errors.Join(err, boottable.Generate(args[0], table, self, list))
			if len(args) == 3 {
				toKernelLog(err)
			}
			return err
		},
	}
	c.Flags().StringVar(&table, "table", boottable.DefaultPath, "the table")
	return c
}

// toKernelLog says what is wrong where systemd's generators say it: nobody
// reads their standard error, and the journal may not be there yet.
func toKernelLog(err error) {
	log, e := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err == nil || e != nil {
		return
	}
	defer log.Close()
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(log, "<%d>%s[%d]: %s\n", unit.Priority(logrus.ErrorLevel), generatorName, os.Getpid(),
			strings.TrimSpace(line))
	}
}
