package api

// The examples of the document.
var (
	exampleMoney  = map[string]any{"currency": "CNY", "minor": 99900}
	exampleCreate = map[string]any{"name": "shop chat", "type": "e-commerce"}
	exampleImport = map[string]any{"app": 1400000001, "name": "shop chat", "created_at": "2020-06-01T00:00:00.000Z", "edition": "trial"}
	exampleOrder  = map[string]any{"order": map[string]any{
		"id": "ord-1", "edition": "pro", "paid_until": "2021-02-01T00:00:00.000Z", "amount": exampleMoney,
	}}
	examplePolicy = map[string]any{
		"grace": "336h", "editions": map[string]any{"flagship": map[string]any{"grace": "400h"}}, "reason": "agreed in the contract",
	}
	exampleOverdue = map[string]any{
		"invoice": "inv-1", "version": 1, "effective_at": "2021-01-20T00:00:00.000Z", "amount": map[string]any{"currency": "CNY", "minor": 500},
	}
	exampleClosed = map[string]any{"invoice": "inv-1", "version": 2, "effective_at": "2021-01-25T00:00:00.000Z"}
	exampleRefund = map[string]any{"order": "ord-1", "effective_at": "2021-01-15T00:00:00.000Z"}
	exampleEvent  = map[string]any{
		"specversion": "1.0", "id": "up-1", "source": "urn:billing:upstream", "type": "sundial.billing.invoice.overdue",
		"time": "2021-01-20T00:00:00.000Z", "datacontenttype": "application/json",
		"data": map[string]any{
			"account": "acme", "app": 1400000001, "invoice": "inv-1", "version": 1,
			"effective_at": "2021-01-20T00:00:00.000Z", "amount": map[string]any{"currency": "CNY", "minor": 500},
		},
	}
	exampleCertificate = map[string]any{"platform": "huawei", "fields": map[string]any{
		"package_name": "com.example.shop", "app_id": "100000001", "app_secret": "...", "click_action": map[string]any{"type": "open_app"},
	}}
	exampleTPNS = map[string]any{"order": map[string]any{"id": "push-1", "amount": exampleMoney}}
	exampleApp  = map[string]any{
		"app": 1400000001, "account": "acme", "name": "shop chat", "type": "e-commerce", "introduction": "",
		"edition": "pro", "status": "expired", "created_at": "2021-01-01T00:00:00.000Z", "paid_until": "2021-02-01T00:00:00.000Z",
		"arrears": map[string]any{
			"since": "2021-01-28T00:00:00.000Z", "stop_due": "2021-02-04T00:00:00.000Z",
			"invoices": []any{map[string]any{
				"id": "inv-1", "amount": map[string]any{"currency": "CNY", "minor": 500}, "since": "2021-01-28T00:00:00.000Z", "version": 1,
			}},
			"invoices_total": 1,
		},
		"lapse": map[string]any{"cause": "plan_expired", "since": "2021-02-01T00:00:00.000Z", "stop_due": "2021-02-08T00:00:00.000Z"},
		"stop":  nil, "next_transition": map[string]any{"to": "stopped", "due": "2021-02-04T00:00:00.000Z", "cause": "arrears"},
		"key":    map[string]any{"algorithm": "HMAC-SHA256", "created_at": "2021-01-01T00:00:00.000Z"},
		"admins": []any{"administrator"}, "certificates": 0, "trtc": map[string]any{"enabled": false},
		"tpns": map[string]any{"enabled": false}, "deletion_request": nil, "version": 7, "position": 1234,
	}
)
