// Command compact makes the code that templ generates smaller: what writes a text
// and looks at its error, ten lines and some hundred bytes of machine code each
// time, becomes one call of package html, which keeps the first error. It reads
// the generated files of folders and writes them again, and fails on code that it
// does not know: what a template prints has to be a string, and only whole pages have
// children. Read rewrite.go.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	for _, folder := range os.Args[1:] {
		if err := run(folder); err != nil {
			fmt.Fprintln(os.Stderr, "compact:", err)
			os.Exit(1)
		}
	}
}

func run(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*_templ.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		out, err := compact(src)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(name, out, 0o644); err != nil {
			return err
		}
	}
	return nil
}
