import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { allAlerts } from '../../../dashboards/rules/index.js';
import { DEFAULT_RULES_CONFIG } from '../../../dashboards/rules/config.js';
import { plain } from '../../../docs/generator/alerts.js';
import { ATTRIBUTE_GROUPS } from '../../../docs/generator/attributes.js';
import { generatedDocuments } from '../../../docs/generator/documents.js';
import { exampleRecords, type ExampleRecord } from '../../../docs/generator/event-examples.js';
import { markdownTable, withSection } from '../../../docs/generator/markdown.js';
import { environmentName, OPTION_LIST } from '../../../exporter/config/schema.js';
import { EVENT_METRIC, eventDefinitions } from '../../../exporter/events/index.js';
import { ATTRIBUTE, LABEL, METRIC, REGION_ATTRIBUTE } from '../../../exporter/names.js';

const document = (name: string) => readFileSync(`docs/${name}.md`, 'utf8');

describe('the generated documents', () => {
  it('are up to date', async () => {
    for (const [path, text] of await generatedDocuments())
      assert.equal(readFileSync(path, 'utf8'), text, `${path}: run "npm run docs" and commit what it writes`);
  });

  it('list every metric and every label', () => {
    const metrics = document('metrics');
    for (const name of [...Object.values(METRIC), ...Object.values(EVENT_METRIC)])
      assert.match(metrics, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
    for (const name of Object.values(LABEL)) assert.match(metrics, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
  });

  it('list every option with its variable', () => {
    const rows = document('options').split('\n');
    for (const [, { flag }] of OPTION_LIST) {
      const row = rows.find((line) => line.startsWith(`| \`--${flag}\``) || line.startsWith(`| \`--${flag}=`));
      assert.ok(row !== undefined && row.includes(environmentName(flag)), flag);
      assert.equal(row.replaceAll('\\|', '').split('|').length, 8, 'six cells');
    }
  });

  it('list every alert, in words without a template', () => {
    const alerts = document('alerts');
    for (const alert of allAlerts(DEFAULT_RULES_CONFIG)) {
      assert.match(alerts, new RegExp(`^## ${alert.name}$`, 'm'));
      assert.doesNotMatch(plain(alert.summary) + plain(alert.description), /\{\{|\}\}|\$/, alert.name);
    }
  });
});

describe('docs/events.md', () => {
  let records: readonly ExampleRecord[];
  before(async () => void (records = await exampleRecords()));

  it('lists every event, with a real record of each that is logged', () => {
    const events = document('events');
    for (const { name } of eventDefinitions) assert.match(events, new RegExp(`^### ${name}$`, 'm'));
    const recorded = new Set(records.map((record) => record.event_name));
    const logged = eventDefinitions.filter((definition) => definition.logged).map(({ name }) => name);
    assert.deepEqual([...recorded].toSorted(), logged.toSorted());
  });

  it('lists every attribute, and no record has another', () => {
    const events = document('events');
    const documented = new Set<string>(Object.values(ATTRIBUTE));
    for (const name of documented) assert.match(events, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
    for (const name of Object.values(REGION_ATTRIBUTE)) assert.ok(events.includes(`| \`${name('<region>')}\` |`));
    const ofRegions = new Set(
      Object.values(REGION_ATTRIBUTE).flatMap((name) => ['vram0', 'gtt'].map((region) => name(region))),
    );
    for (const name of records.flatMap(({ attributes }) => Object.keys(attributes)))
      assert.ok(documented.has(name) || ofRegions.has(name), name);
    for (const title of Object.values(ATTRIBUTE_GROUPS)) assert.match(events, new RegExp(`^### ${title}$`, 'm'));
  });
});

describe('a generated section', () => {
  it('goes between its markers and leaves the rest alone', () => {
    const text = 'before\n<!-- it -->\nold\n<!-- /it -->\nafter\n';
    const updated = withSection(text, 'it', 'new') ?? '';
    assert.equal(updated, 'before\n<!-- it -->\n\nnew\n\n<!-- /it -->\nafter\n');
    assert.equal(withSection(updated, 'it', 'new'), updated);
  });

  it('is refused by a text without both markers', () => {
    for (const text of ['', '<!-- it -->', '<!-- /it --><!-- it -->'])
      assert.equal(withSection(text, 'it', 'new'), undefined);
  });

  it('may hold a table whose cells have bars', () => {
    assert.equal(markdownTable([['a'], ['b|c']]), '| a |\n| --- |\n| b\\|c |');
  });
});
