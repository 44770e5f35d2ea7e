// SPDX-License-Identifier: Apache-2.0

package output

// YesNo returns yes or no.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
