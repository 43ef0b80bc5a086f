import { writeFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { test } from '../../support/fixtures.ts';
import { catchingUp, chatting, locked, withoutAccount } from '../../support/first_visit.ts';

for (const scene of [withoutAccount, locked, chatting, catchingUp]) {
  test(scene.name, async ({ people }, info) => {
    const ran = new Set<string>();
    const record = async (page: Page) => {
      const names = () => (self as unknown as { ran(): string[] }).ran();
      const all = [page.evaluate(names), ...page.workers().map((worker) => worker.evaluate(names))];
      (await Promise.all(all)).flat().forEach((name) => ran.add(name));
    };
    await scene(people, record);
    writeFileSync(`${process.env.RAN_DIR}/${info.title}`, [...ran].join('\n'));
  });
}
