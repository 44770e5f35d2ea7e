// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime/debug"
)

// release is the content of the file VERSION; make puts it here. A program that
// was built without make knows its commit only.
var release = "unreleased"

// version is the release, and the commit and its date as the Go tool stamped
// them.
func version() string {
	var revision, date, changed string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.time":
				date = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", changed"
			}
		}
	}
	if revision == "" {
		return release
	}
	return fmt.Sprintf("%s (commit %s of %s%s)", release, revision, date, changed)
}
