package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"text/template"
)

var kubeconfig = template.Must(template.New("kubeconfig").Parse(`apiVersion: v1
kind: Config
clusters:
- name: pilothouse
  cluster:
    server: {{.Server}}
    certificate-authority-data: {{.CA}}
{{- if .ServerName}}
    tls-server-name: {{.ServerName}}
{{- end}}
contexts:
- name: pilothouse
  context:
    cluster: pilothouse
    user: admin
current-context: pilothouse
users:
- name: admin
  user:
    client-certificate-data: {{.Cert}}
    client-key-data: {{.Key}}
`))

// Kubeconfig gives the administrator's kubeconfig for a server at a URL whose
// host is host.
func (s *Serving) Kubeconfig(url, host string) ([]byte, error) {
	ca := s.pki.CA.CertPEM
	name := ""
	if s.options.CertFile != "" {
		// The operator's own certificate is trusted as it is: nothing here
		// knows its authority.
		own, err := os.ReadFile(s.options.CertFile)
		if err != nil {
			return nil, err
		}
		ca = append(bytes.Clone(ca), certificates(own)...)
		name = nameFor(s.leafCert(), host)
	}
	encode := base64.StdEncoding.EncodeToString
	var out bytes.Buffer
	err := kubeconfig.Execute(&out, map[string]string{
		"Server": url, "CA": encode(ca), "ServerName": name,
		"Cert": encode(s.pki.Admin.CertPEM), "Key": encode(s.pki.Admin.KeyPEM),
	})
	if err != nil {
		return nil, fmt.Errorf("write kubeconfig: %w", err)
	}
	return out.Bytes(), nil
}

// certificates gives only the certificates of a PEM file, which may hold a key
// too.
func certificates(b []byte) []byte {
	var out []byte
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out = append(out, encodeCert(block.Bytes)...)
		}
	}
	return out
}

// nameFor is a name that a certificate is good for, empty when it is for host.
func nameFor(c *x509.Certificate, host string) string {
	if c.VerifyHostname(host) == nil {
		return ""
	}
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	if len(c.IPAddresses) > 0 {
		return c.IPAddresses[0].String()
	}
	return ""
}
