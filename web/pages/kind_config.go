package pages

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// usedByBlocks are the pods that use a ConfigMap.
func usedByBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	return []view.Block{c.usedBy(ctx, o)}
}

// secretBlocks are what is to be known of a Secret without looking inside: its
// type, its certificate, who uses it.
func secretBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	var f factList
	f.add("Type", text(o.object.Object["type"]))
	f.add("Immutable", c.boolWord(o.object.Object["immutable"]))
	if account := o.object.GetAnnotations()["kubernetes.io/service-account.name"]; account != "" {
		f.link("Token of", account, objectPath(core("serviceaccounts"), o.namespace, account))
	}
	blocks := []view.Block{{Title: "Secret", Facts: f}}
	if b := c.certificateBlock(o, digText(o.object.Object, "data tls.crt")); b.Facts != nil {
		blocks = append(blocks, b)
	}
	return append(blocks, c.usedBy(ctx, o))
}

// certificateBlock is what stands in a certificate of an object; empty for what is
// none.
func (c *Call) certificateBlock(o *loaded, encoded string) view.Block {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return view.Block{}
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return view.Block{}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return view.Block{Title: "Certificate", Note: messages.Said(c.T("It cannot be read: %s", err))}
	}
	var f factList
	f.add("For", cert.Subject.String())
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	f.add("Names", strings.Join(names, ", "))
	f.add("By", cert.Issuer.String())
	left := time.Until(cert.NotAfter)
	valid := c.T("until %s, %s left", c.Minute(cert.NotAfter.UTC()), age(left))
	tone := view.Good
	if left >= 0 {
		o.until(cert.NotAfter)
	}
	switch {
	case left < 0:
		valid, tone = c.T("expired on %s", c.Minute(cert.NotAfter.UTC())), view.Bad
	case left < 14*24*time.Hour:
		tone = view.Warn
	}
	f = append(f, view.Fact{Name: "Valid", Cell: toned(valid, tone)})
	return view.Block{Title: "Certificate", Facts: f}
}

// usedBy are the pods of the namespace that mention a ConfigMap, a Secret or a
// claim in their volumes or their environment.
func (c *Call) usedBy(ctx context.Context, o *loaded) view.Block {
	b := view.Block{Title: "Used by"}
	a, ok := c.served("", "pods")
	if !ok {
		return b
	}
	pods := referrer{podResource, func(o map[string]any, r *refList) { podRefs(o["spec"], r) }, nil}
	list, err := c.listObjects(ctx, a, o.namespace, "")
	if err != nil {
		b.Note = messages.Data(c.reason(err))
		return b
	}
	b.Table = &view.Table{Columns: []messages.Text{"Pod", "As"}, Empty: "No pod of this namespace mentions it."}
	for _, p := range list {
		how, uses := c.naming(pods, p, o, nil)
		if !uses {
			continue
		}
		name := digText(p, "metadata name")
		b.Table.Rows = append(b.Table.Rows, []view.Cell{linked(name, objectPath(a.gvr, o.namespace, name)), {Text: how}})
		if len(b.Table.Rows) == shownRelated {
			b.Note = "There may be more."
			break
		}
	}
	return b
}
