\set obligation random(0, 157439)
\set call random(1, 9000000000000000000)
BEGIN;
UPDATE obligation SET state = 'SUBMITTED', version = version + 1, received_at = :call WHERE id = :obligation RETURNING name, version \gset
INSERT INTO report (name, obligation, version, definition)
  VALUES (:name || '/reports/' || :version, :name, :version, convert_to(repeat('x', :definition_bytes), 'UTF8'));
INSERT INTO journal_entry VALUES (nextval('journal_position'), :call, 'clients/i12', 'reports.submit',
  '/vigia.reporting.v1.ReportService/SubmitReport', '0198c0de-0000-7000-8000-' || :call, :name, 'vigia.reporting.v1.ReportSubmitted',
  convert_to(repeat('x', :event_bytes), 'UTF8'), '\x00112233445566778899aabbccddeeff',
  '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'institutions/i12');
INSERT INTO idempotency VALUES ('clients/i12' || chr(10) || '/vigia.reporting.v1.ReportService/SubmitReport' || chr(10) || :call,
  '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', convert_to(repeat('x', :answer_bytes), 'UTF8'), :call, :call);
END;
