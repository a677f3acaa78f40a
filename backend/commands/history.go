package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/endpoints"
	"pilothouse/backend/history"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// historyCommand tells what became of an object, shows a version and restores
// one.
func historyCommand() *cobra.Command {
	var w where
	var show, back string
	c := &cobra.Command{
		Use: "history KIND/NAME", Args: cobra.RangeArgs(1, 2),
		Short: "Tell what became of an object: who changed which fields when; also of a deleted one",
	}
	w.addFlags(c)
	w.addNamespace(c, "The object's namespace.")
	c.Flags().StringVar(&show, "show", "", "Prints the object as it was at a resourceVersion of its history, as YAML.")
	c.Flags().StringVar(&back, "restore", "", "Writes the object back as it was at a resourceVersion of its history.")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := w.connect()
		if err != nil {
			return err
		}
		k, name, err := s.object(c.Context(), args)
		if err != nil {
			return err
		}
		path := k.path(s.namespace, name)
		switch {
		case show != "":
			return s.show(c.Context(), c.OutOrStdout(), path, show)
		case back != "":
			return s.restore(c.Context(), c.OutOrStdout(), k, name, back)
		}
		h, err := s.history(c.Context(), path, nil)
		if err != nil {
			return err
		}
		printHistory(c.OutOrStdout(), h, false, time.Time{})
		return nil
	}
	return c
}

// changesCommand tells what changed in a namespace.
func changesCommand() *cobra.Command {
	var w where
	var since, until, resource string
	c := &cobra.Command{
		Use: "changes", Args: cobra.NoArgs,
		Short: "Tell what changed, by whom, in a namespace or everywhere",
	}
	w.addFlags(c)
	w.addNamespace(c, "The namespace; everywhere without it.")
	c.Flags().StringVar(&since, "since", "1h", "From when on: a time of RFC 3339, or how long ago (15m).")
	c.Flags().StringVar(&until, "until", "", "Until when; now without it.")
	c.Flags().StringVar(&resource, "resource", "", "Of which resource; all without it.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := w.connect()
		if err != nil {
			return err
		}
		q, asked := url.Values{}, time.Time{}
		for name, value := range map[string]string{"namespace": w.namespace, "resource": resource} {
			if value != "" {
				q.Set(name, value)
			}
		}
		for name, text := range map[string]string{"since": since, "until": until} {
			if d, err := time.ParseDuration(text); err == nil {
				text = time.Now().Add(-d).UTC().Format(time.RFC3339)
			}
			if text != "" {
				q.Set(name, text)
			}
			if at, err := time.Parse(time.RFC3339, text); err == nil && name == "since" {
				asked = at
			}
		}
		var h endpoints.History
		if err := s.get(c.Context(), history.ChangesPath, q, &h); err != nil {
			return err
		}
		printHistory(c.OutOrStdout(), &h, true, asked)
		return nil
	}
	return c
}

// timesAreExactTo is how exactly the server knows when a revision was written.
const timesAreExactTo = 2 * history.SampleInterval

func (s *server) history(ctx context.Context, path string, q url.Values) (*endpoints.History, error) {
	if q == nil {
		q = url.Values{}
	}
	q.Set("history", "true")
	var h endpoints.History
	if err := s.get(ctx, path, q, &h); err != nil {
		return nil, err
	}
	if h.Kind != "History" {
		return nil, errors.New("the server keeps no history (--history-retention)")
	}
	return &h, nil
}

// printHistory prints changes, of several objects or of one; asked is from when
// on they were asked for.
func printHistory(out io.Writer, h *endpoints.History, objects bool, asked time.Time) {
	if len(h.Versions) == 0 {
		fmt.Fprintln(out, "Nothing has changed.")
	}
	for i := range h.Versions {
		v := &h.Versions[i]
		at := "time unknown"
		if !v.Time.IsZero() {
			at = v.Time.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%s  %sd", at, v.Action)
		if objects {
			name := v.Name
			if v.Namespace != "" {
				name = v.Namespace + "/" + name
			}
			fmt.Fprintf(out, " %s %s", strings.TrimSuffix(v.Resource+"."+v.Group, "."), name)
		}
		if by := v.By; by != nil {
			fmt.Fprintf(out, " by %s", by.User)
			if by.As != "" {
				fmt.Fprintf(out, " as %s", by.As)
			}
			fmt.Fprintf(out, " (%s", by.Verb)
			if by.Agent != "" {
				fmt.Fprintf(out, ", %s from %s", by.Agent, by.From)
			}
			if by.Server != "" {
				fmt.Fprintf(out, " through %s", by.Server)
			}
			fmt.Fprintf(out, ", audit id %s)", by.AuditID)
		}
		fmt.Fprintf(out, "  resourceVersion %s\n", v.ResourceVersion)
		printChanges(out, v.Changes, "    ")
	}
	switch {
	case h.More:
		fmt.Fprintln(out, "There are older changes.")
	case h.Since.After(asked.Add(timesAreExactTo)):
		fmt.Fprintf(out, "Of the time before %s nothing is known.\n", h.Since.UTC().Format(time.RFC3339))
	}
}

// version reads an object as it was at a resourceVersion of its history.
func (s *server) version(ctx context.Context, path, version string) (*unstructured.Unstructured, error) {
	h, err := s.history(ctx, path, url.Values{"objects": {"true"}, "limit": {"2000"}})
	if err != nil {
		return nil, err
	}
	for i := range h.Versions {
		if h.Versions[i].ResourceVersion == version {
			o := &unstructured.Unstructured{}
			return o, o.UnmarshalJSON(h.Versions[i].Object)
		}
	}
	return nil, fmt.Errorf("its history has no resourceVersion %s", version)
}

func (s *server) show(ctx context.Context, out io.Writer, path, version string) error {
	o, err := s.version(ctx, path, version)
	if err != nil {
		return err
	}
	o.SetManagedFields(nil)
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// restore writes a version back: over what is there, or as a new object.
func (s *server) restore(ctx context.Context, out io.Writer, k *kind, name, version string) error {
	path := k.path(s.namespace, name)
	o, err := s.version(ctx, path, version)
	if err != nil {
		return err
	}
	current := &unstructured.Unstructured{}
	method, to, done := http.MethodPut, path, "restored"
	switch err := s.get(ctx, path, nil, &current.Object); {
	case apierrors.IsNotFound(err):
		method, to, done = http.MethodPost, k.path(s.namespace, ""), "created again"
		current = nil
	case err != nil:
		return err
	}
	history.Restorable(o, current)
	body, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	if _, err := s.send(ctx, method, to, nil, body); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s/%s %s as at resourceVersion %s\n", k.Name, name, done, version)
	return nil
}
