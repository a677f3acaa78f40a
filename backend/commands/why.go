package commands

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/audit"
	"pilothouse/backend/diff"
	"pilothouse/backend/life"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"
)

// whyCommand tells why a request was answered as it was.
func whyCommand() *cobra.Command {
	var w where
	c := &cobra.Command{
		Use: "why AUDIT-ID", Args: cobra.ExactArgs(1),
		Short: "Tell what a request went through: who, what allowed or refused it, what changed it, where the time went",
		Long:  "The audit id is in the header Audit-Id of every answer; kubectl shows it with -v=8. Everybody may ask about their own requests.",
	}
	w.addFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := w.connect()
		if err != nil {
			return err
		}
		return why(c.Context(), c.OutOrStdout(), s, args[0])
	}
	return c
}

func why(ctx context.Context, out io.Writer, s *server, id string) error {
	v, err := s.life(ctx, id)
	if apierrors.IsNotFound(err) {
		if recorded(ctx, out, s, id, err) == nil || whyElsewhere(ctx, out, s, id, err) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	printLife(out, v)
	return nil
}

// life asks for a request, as one's own when others' are not to be seen.
func (s *server) life(ctx context.Context, id string) (*life.View, error) {
	v := &life.View{}
	err := s.get(ctx, life.Path+"/"+url.PathEscape(id), nil, v)
	if apierrors.IsForbidden(err) {
		err = s.get(ctx, life.MinePath+"/"+url.PathEscape(id), nil, v)
	}
	return v, err
}

// whyElsewhere asks the servers that the answer of the first one names. It tells
// whether there was one that knew the request.
func whyElsewhere(ctx context.Context, out io.Writer, s *server, id string, missing error) (told bool) {
	for _, address := range elsewhere(missing) {
		other, err := s.at(address)
		if err != nil {
			continue
		}
		var b bytes.Buffer
		v, err := other.life(ctx, id)
		switch {
		case err == nil:
			printLife(&b, v)
		case !apierrors.IsNotFound(err):
			fmt.Fprintf(out, "(%s does not answer: %v)\n", address, err)
			continue
		case recorded(ctx, &b, other, id, err) != nil:
			continue
		}
		fmt.Fprintf(out, "(from %s, the server that took it)\n%s", address, b.String())
		return true
	}
	return false
}

// elsewhere gives the servers that an answer names.
func elsewhere(err error) (servers []string) {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, c := range status.Status().Details.Causes {
			if c.Type == life.CauseServer {
				servers = append(servers, c.Message)
			}
		}
	}
	return servers
}

// recorded tells what the journal keeps of a request that memory has no more.
func recorded(ctx context.Context, out io.Writer, s *server, id string, missing error) error {
	var list struct{ Events []audit.Entry }
	if err := s.get(ctx, "/debug/audit", url.Values{"id": {id}}, &list); err != nil || len(list.Events) == 0 {
		return missing
	}
	e := &list.Events[0]
	fmt.Fprintf(out, "%s %s\n  by %s from %s with %s\n  at %s\n", e.Verb, e.RequestURI, e.User.Username, strings.Join(e.SourceIPs, ", "), e.UserAgent, e.RequestReceivedTimestamp.UTC().Format(time.RFC3339))
	if st := e.ResponseStatus; st != nil {
		fmt.Fprintf(out, "  answered %d %s %s\n", st.Code, st.Reason, st.Message)
	}
	if len(e.Written) > 0 {
		fmt.Fprintf(out, "  wrote resourceVersions %v\n", e.Written)
	}
	fmt.Fprintln(out, "  (from the audit journal: the server's memory has newer requests only)")
	return nil
}

func printLife(out io.Writer, v *life.View) {
	fmt.Fprintf(out, "%s %s\n", v.Verb, v.URI)
	fmt.Fprintf(out, "  answered   %d %s in %v\n", v.Code, v.Reason, time.Duration(v.Micros)*time.Microsecond)
	if v.Message != "" {
		fmt.Fprintf(out, "             %s\n", v.Message)
	}
	for _, c := range v.Causes {
		fmt.Fprintf(out, "             %s: %s\n", c.Field, c.Message)
	}
	fmt.Fprintf(out, "  at         %s\n", v.Received.UTC().Format(time.RFC3339Nano))
	if v.User != nil {
		fmt.Fprintf(out, "  by         %s (%s), known by %s\n", v.User.Name, strings.Join(v.User.Groups, ", "), known(v.Authenticator))
	} else {
		fmt.Fprintln(out, "  by         nobody that the server knows")
	}
	if v.As != nil {
		fmt.Fprintf(out, "  acting as  %s (%s)\n", v.As.Name, strings.Join(v.As.Groups, ", "))
	}
	fmt.Fprintf(out, "  from       %s with %s\n", v.From, v.Agent)
	for _, w := range v.Written {
		fmt.Fprintf(out, "  wrote      %s %s at resourceVersion %d\n", w.Resource, w.Key, w.Revision)
	}
	printAccess(out, v.Authorization)
	for _, text := range v.Warnings {
		fmt.Fprintf(out, "  warning    %s\n", text)
	}
	fmt.Fprintln(out, "steps")
	printStages(out, v.Stages, "  ")
	if v.Undetailed {
		fmt.Fprintln(out, "  (what plugins changed was not recorded: the server was busy)")
	}
}

func known(authenticator string) string {
	if authenticator == "" {
		return "the server itself or a session"
	}
	return authenticator
}

func printAccess(out io.Writer, a *life.Access) {
	if a == nil {
		return
	}
	if a.Decision == "allow" {
		reason := a.Reason
		if reason == "" {
			reason = "a member of system:masters may do everything"
		}
		fmt.Fprintf(out, "  allowed    %s\n", reason)
		if a.Rule != nil {
			printRule(out, "by the rule", a.Rule)
		}
		if a.Changed {
			fmt.Fprintln(out, "             (roles or bindings have changed since; this is what would allow it now)")
		}
		return
	}
	fmt.Fprintf(out, "  refused    %s\n", cmp.Or(a.Reason, "no role that is bound to the user or the groups allows it"))
	if a.Needed != nil {
		printRule(out, "it needs the rule", a.Needed)
	}
	if len(a.Roles) > 0 {
		fmt.Fprintf(out, "             roles that have it: %s\n", strings.Join(a.Roles, ", "))
	}
}

func printRule(out io.Writer, what string, rule any) {
	text, err := yaml.Marshal(rule)
	if err != nil {
		return
	}
	fmt.Fprintf(out, "             %s\n", what)
	for line := range strings.Lines(string(text)) {
		fmt.Fprint(out, "               ", line)
	}
}

func printStages(out io.Writer, list []life.StageView, indent string) {
	for i := range list {
		s := &list[i]
		fmt.Fprintf(out, "%-48s %10v\n", indent+s.Name, time.Duration(s.Micros)*time.Microsecond)
		if s.Detail != "" {
			fmt.Fprintf(out, "%s    %s\n", indent, s.Detail)
		}
		if s.Error != "" {
			fmt.Fprintf(out, "%s    refused: %s\n", indent, s.Error)
		}
		printChanges(out, s.Changes, indent+"    ")
		printStages(out, s.Parts, indent+"  ")
	}
}

func printChanges(out io.Writer, list []diff.Change, indent string) {
	for i := range list {
		fmt.Fprintf(out, "%s%s\n", indent, list[i].String())
	}
}
