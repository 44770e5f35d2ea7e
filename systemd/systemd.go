// SPDX-License-Identifier: Apache-2.0

// Package systemd holds the units that are installed, for the generator that
// makes others out of them.
package systemd

import _ "embed"

// Service is the text of zqublkd@.service.
//
//go:embed zqublkd@.service
var Service string
