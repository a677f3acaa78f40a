package commands

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"
)

// granted is one way in which somebody may do something, as /debug/who-can tells
// it.
type granted struct {
	Subject       rbacv1.Subject
	Binding, Role string
}

// whoCanCommand tells who may do something.
func whoCanCommand() *cobra.Command {
	var w where
	c := &cobra.Command{
		Use: "who-can VERB RESOURCE[/SUBRESOURCE] [NAME] | who-can VERB /PATH", Args: cobra.RangeArgs(2, 3),
		Short: "Tell who may do something, by which binding of which role",
	}
	w.addFlags(c)
	w.addNamespace(c, "The namespace; the whole cluster without it.")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := w.connect()
		if err != nil {
			return err
		}
		q := url.Values{"verb": {args[0]}}
		if strings.HasPrefix(args[1], "/") {
			q.Set("path", args[1])
		} else {
			resource, sub, _ := strings.Cut(args[1], "/")
			k, err := s.find(c.Context(), resource)
			if err != nil {
				return err
			}
			q.Set("group", k.group)
			q.Set("resource", k.Name)
			q.Set("subresource", sub)
			if k.Namespaced {
				q.Set("namespace", w.namespace)
			}
			if len(args) == 3 {
				q.Set("name", args[2])
			}
		}
		var answer struct{ Grants []granted }
		if err := s.get(c.Context(), "/debug/who-can", q, &answer); err != nil {
			return err
		}
		if len(answer.Grants) == 0 {
			fmt.Fprintln(c.OutOrStdout(), "Nobody by a role; members of system:masters always.")
			return nil
		}
		slices.SortFunc(answer.Grants, func(a, b granted) int {
			return strings.Compare(a.Subject.Kind+a.Subject.Name+a.Binding, b.Subject.Kind+b.Subject.Name+b.Binding)
		})
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "SUBJECT\tBINDING\tROLE")
		for _, g := range answer.Grants {
			name := g.Subject.Name
			if g.Subject.Namespace != "" {
				name = g.Subject.Namespace + "/" + name
			}
			fmt.Fprintf(t, "%s %s\t%s\t%s\n", g.Subject.Kind, name, g.Binding, g.Role)
		}
		return t.Flush()
	}
	return c
}
