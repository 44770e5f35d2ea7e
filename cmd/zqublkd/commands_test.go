// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"mvdan.cc/sh/v3/syntax"

	"zqublkd/internal/createoptions"
)

// shown is a command that somebody may type as they read it.
type shown struct {
	where, text string
	whole       bool // with its arguments; what stands in a sentence may be without
}

// TestShownCommands: each command of ours that a page, a manual page, a help text or a message
// shows has a verb and flags that there are, and as many arguments as it takes.
func TestShownCommands(t *testing.T) {
	var all []shown
	for name, least := range map[string]int{"README.md": 10, "docs/*.md": 100, "contrib/*/*.yml": 2, "docs/man/*": 6} {
		list := ofPages(t, name)
		if len(list) < least {
			t.Errorf("%s: only %d commands", name, len(list))
		}
		all = append(all, list...)
	}
	for name, list := range map[string][]shown{"help": ofHelp(newRoot()), "source": ofSource(t)} {
		if len(list) < 30 {
			t.Errorf("%s: only %d commands", name, len(list))
		}
		all = append(all, list...)
	}
	for _, s := range all {
		if err := takes(s); err != nil {
			t.Errorf("%s: %q: %v", s.where, s.text, err)
		}
	}
}

// TestShownCommandsFail: the test sees what can't be typed.
func TestShownCommandsFail(t *testing.T) {
	for text, want := range map[string]string{
		"zqublkd lst":                            "unknown command",
		"zqublkd zone rest IMAGE":                "verb",
		"zqublkd snapshot":                       "verb",
		"zqublkd info --jsn IMAGE":               "jsn",
		"zqublkd add a.qcow2 --depth":            "depth",
		"zqublkd export a.qcow2":                 "OUT",
		"echo; FOO=1 zqublkd info":               "IMAGE",
		"true && dev=$(zqublkd add --jsn IMAGE)": "jsn",
		"zqublkd create -o zone.sizes=1M a 1M":   "zone.sizes",
		"zqublkd info 'a.qcow2":                  "quote",
	} {
		if err := takes(shown{text: text, whole: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"zqublkd zone", "zqublkd export", "zqublkd map --json"} {
		if err := takes(shown{text: text}); err != nil {
			t.Errorf("%q in a sentence: %v", text, err)
		}
	}
}

// takes reads a line as a shell does and asks each verb in it about its words.
func takes(s shown) error {
	file, err := syntax.NewParser().Parse(strings.NewReader(s.text), s.where)
	if err != nil {
		return err
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || err != nil {
			return err == nil
		}
		var words []string
		for _, w := range call.Args {
			words = append(words, plain(s.text, w))
		}
		if k := slices.Index(words, "zqublkd"); k >= 0 {
			err = verbTakes(words[k+1:], s.whole)
		}
		return true
	})
	return err
}

// plain is a word without quotes; what the shell would put in stands as it is.
func plain(text string, w *syntax.Word) string {
	return strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(text[w.Pos().Offset():w.End().Offset()])
}

func verbTakes(words []string, whole bool) error {
	root := newRoot()
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if c.DisableFlagParsing {
		return nil
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	if err := c.ParseFlags(rest); err != nil {
		var needs *pflag.ValueRequiredError
		if !whole && errors.As(err, &needs) {
			return nil
		}
		return err
	}
	if list, err := c.Flags().GetStringArray("option"); err == nil && whole {
		if err := optionsExist(list); err != nil {
			return err
		}
	}
	args := c.Flags().Args()
	if help, _ := c.Flags().GetBool("help"); help || !whole && len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() && c.HasParent() {
		return fmt.Errorf("no verb %q", args)
	}
	return c.ValidateArgs(args)
}

// optionsExist looks at the keys that -o is given.
func optionsExist(list []string) error {
	for _, pair := range strings.Split(strings.Join(list, ","), ",") {
		key, _, _ := strings.Cut(pair, "=")
		if key != "" && key != "help" && !slices.ContainsFunc(createoptions.All, func(o createoptions.Option) bool { return o.Key == key }) {
			return fmt.Errorf("no option %q", key)
		}
	}
	return nil
}

var (
	meta     = strings.NewReplacer("VERB", "info", "{{ $labels.device }}", "DEVICE", "[", "", "]", "")
	prompt   = regexp.MustCompile(`^(?:    |\t)(?:[#$] )?`)
	ours     = regexp.MustCompile(`(?:^|[;&|(] ?|sudo |\w=\S* )zqublkd [a-z-]`)
	spanned  = regexp.MustCompile("`(zqublkd [^`]+)`")
	choice   = regexp.MustCompile(`\\?\|`)
	manPiece = regexp.MustCompile(`^\.(?:B|BR|BI) "?(zqublkd [a-z][^"]*)"?$`)
)

// ofPages are the commands of files with these names: lines of code, and what stands in
// sentences in the type of code.
func ofPages(t *testing.T, pattern string) (list []shown) {
	t.Helper()
	names, err := filepath.Glob("../../" + pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(pattern, names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "\\\n", "")
		if filepath.Base(filepath.Dir(name)) == "man" {
			list = append(list, ofManPage(name, text)...)
			continue
		}
		fenced, screen := false, false
		for k, line := range strings.Split(text, "\n") {
			where := fmt.Sprintf("%s:%d", name, k+1)
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
				continue
			}
			code := prompt.ReplaceAllString(line, "")
			asked := strings.HasPrefix(line, "    # zqublkd ") // what follows is what it prints
			if (fenced || code != line && (asked || !screen)) && ours.MatchString(code) {
				list = append(list, shown{where, code, true})
			}
			screen = asked || screen && (line == "" || strings.HasPrefix(line, "    "))
			list = append(list, inSentence(where, line)...)
		}
	}
	return list
}

// inSentence are the commands in a line of words: each of what stands between bars is one.
func inSentence(where, line string) (list []shown) {
	for _, m := range spanned.FindAllStringSubmatch(line, -1) {
		head := strings.Fields(meta.Replace(m[1]))
		for _, tail := range choice.Split(strings.Join(head[1:], " "), -1) {
			if len(list) > 0 && !strings.Contains(tail, "zqublkd ") && len(head) > 2 {
				continue // the other values of an argument
			}
			list = append(list, shown{where, "zqublkd " + tail, false})
		}
	}
	return list
}

// ofManPage are the commands of a page in roff: the lines of its examples, and those in bold.
func ofManPage(name, text string) (list []shown) {
	example := false
	for k, line := range strings.Split(strings.ReplaceAll(text, `\-`, "-"), "\n") {
		where := fmt.Sprintf("%s:%d", name, k+1)
		m := manPiece.FindStringSubmatch(line)
		switch {
		case line == ".EX" || line == ".EE":
			example = line == ".EX"
		case example && ours.MatchString(line):
			list = append(list, shown{where, line, true})
		case m != nil:
			list = append(list, shown{where, m[1], false})
		}
	}
	return list
}

// ofHelp are the examples of all verbs, and what their texts show.
func ofHelp(root *cobra.Command) (list []shown) {
	for _, c := range root.Commands() {
		list = append(list, ofHelp(c)...)
	}
	where := root.CommandPath() + " --help"
	for line := range strings.Lines(root.Example) {
		list = append(list, shown{where, strings.TrimSpace(line), true})
	}
	for line := range strings.Lines(root.Long) {
		list = append(list, inSentence(where, line)...)
	}
	return list
}

// ofSource are the commands that messages of the program advise.
func ofSource(t *testing.T) (list []shown) {
	t.Helper()
	for _, root := range []string{".", "../../internal", "../../qcow2", "../../ublk"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for k, line := range strings.Split(string(b), "\n") {
				if !strings.HasPrefix(strings.TrimSpace(line), "//") {
					list = append(list, inSentence(fmt.Sprintf("%s:%d", path, k+1), line)...)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}
