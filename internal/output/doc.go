// SPDX-License-Identifier: Apache-2.0

// Package output has what several verbs print alike: JSON, long arrays of it, and how far long
// work is.
package output
